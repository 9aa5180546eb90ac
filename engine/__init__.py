"""What moves and protects backup data. Knows no terminal: no Textual, Rich or Typer."""
