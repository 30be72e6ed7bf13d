"""Measurements; not part of the default run."""
