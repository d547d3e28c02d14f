"""Data sets: what training may see of each, and its attributes, only for evaluation."""
