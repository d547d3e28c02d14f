"""`ira train`: set-up, the training loop, optimisers, signals."""
