"""Trained runs for use elsewhere: as an ONNX graph, or as a folder without training data."""
