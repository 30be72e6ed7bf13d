"""Listings' pictures: fetched beside the stream, screening waits for none; known by their hashes."""
