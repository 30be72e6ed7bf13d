"""Commands about what goes to platforms again, and what came from them."""
