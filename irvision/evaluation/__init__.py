"""A finished run scored on test images: accuracy, fidelity, recovery."""
