"""Commands that read the casebook."""
