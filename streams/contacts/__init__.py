"""Reporters' contacts: encrypted where they are kept, and the keys that do so."""
