"""What keeps a notice back, or sends it another way: decisions over values, and the rows they need."""
