"""What a person touches: the console and the command line. Never opens a data file, never runs a job."""
