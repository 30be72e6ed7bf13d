"""Commands that prove what the casebook says."""
