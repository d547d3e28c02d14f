"""The folder of a training run: checkpoints, trained networks, tables."""
