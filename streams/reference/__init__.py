"""Reference data of the operator: read, compared, kept, released."""
