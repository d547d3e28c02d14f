"""CSV tables of users: read strictly, so that nothing in them is guessed or lost without a word."""
