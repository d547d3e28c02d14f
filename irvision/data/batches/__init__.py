"""Pixels on the device, batches of an epoch, random crops and flips."""
