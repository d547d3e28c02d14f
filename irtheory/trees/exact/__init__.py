"""Globally optimal trees of bounded depth."""
