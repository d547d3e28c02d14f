"""Every tree up to a cost: how many there are, and the cheapest ones."""
