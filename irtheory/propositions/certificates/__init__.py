"""Assumptions and promises of the propositions, checked as numbers against reference optima."""
