"""Learning problems: synthetic ones, tables, images of digits, worlds of known attributes."""
