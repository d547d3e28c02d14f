"""`ira simulate`: settings, problem, proposition, result, files."""
