"""Refinement of a tree, one test at a time."""
