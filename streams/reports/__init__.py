"""What the casebook tells people: reports and exports."""
