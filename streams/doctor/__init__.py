"""``takin doctor``: says in sentences what is wrong with a set-up."""
