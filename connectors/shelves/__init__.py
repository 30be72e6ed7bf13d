"""Public JSON APIs that listings are read from: one file each."""
