"""The desk: pages and an HTTP API for people and platforms. It decides nothing: it calls the same
functions as every other process, on the same casebook."""
