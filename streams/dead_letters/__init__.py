"""Looking at what was set aside, and putting it back."""
