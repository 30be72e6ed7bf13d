"""Deadlines as data: regimes, working days in the addressee's zone, and what stops a clock. Pure."""
