"""Personal data: what may stay for how long, what goes on request, and what must not come back."""
