"""Proves from the log that every listing was decided, and puts back what was not."""
