"""`ira table` and `ira predict`: a tree from a table that people can read, and its predictions."""
