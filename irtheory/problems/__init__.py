"""Problems to learn from: drawn, from a table, images of digits, worlds of known attributes."""
