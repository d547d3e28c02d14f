"""Backbones: networks from images to feature vectors, one file an architecture."""
