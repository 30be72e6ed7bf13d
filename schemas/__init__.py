"""What crosses a boundary: messages, topics, JSON Schemas and examples.

Imports the standard library and pydantic only; every other package may import this one.
"""
