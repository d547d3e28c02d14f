"""Propositions 1 and 2 of the paper: what only `ira simulate` uses."""
