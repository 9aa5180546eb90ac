"""What a backup consists of: a tar stream in zstd frames, and an index of it. Knows no library and no catalog."""
