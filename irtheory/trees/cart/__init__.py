"""Greedy trees (CART) on integer codes."""
