"""Assumptions and promises of the propositions as numbers, and the reference optima behind them."""
