"""Takin's tests. A package, so that `tests.support` is found wherever the folder lies."""
