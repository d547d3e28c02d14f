"""Data sets: what training may see of each, and, for evaluation alone, its attributes."""
