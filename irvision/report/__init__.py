"""The HTML report of a run: one file that needs nothing beside it. Loads no torch."""
