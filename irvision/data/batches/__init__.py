"""Pixels on the device, batches of an epoch, crops and flips."""
