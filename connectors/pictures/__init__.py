"""Pictures from the outside: fetched within bounds, read, and known again by their hashes."""
