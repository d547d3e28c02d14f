"""Dichotomous keys: a tree as numbered couplets of leads, and the formats that keys come in."""
