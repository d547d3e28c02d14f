"""Small images of handwritten digits as a learning problem."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from irtheory.problems.synthetic import Problem

SIDE = 8  # width and height of an image, in pixels
INK = 16.0  # largest value of a pixel, which is black


def digits_problem(samples: int = 240, classes: int = 4, seed: int = 0) -> Problem:
    """Images of the digits 0 … classes − 1, in balanced numbers; trees test if a pixel is dark.

    The images of 8 × 8 pixels are those of the UCI collection that scikit-learn contains.
    `inputs` are the images [m, 1, 8, 8] scaled to [−1, 1]. A code is 1 where a pixel is at least
    half black; pixels that have the same code in every image are left out.

    Raises:
        ValueError: fewer than 2 or more than 10 classes, fewer samples than classes, or more
            than there are.
    """
    if not 2 <= classes <= 10:
        raise ValueError(f"classes: expected 2 to 10 digits, found {classes}")
    all_images, digits = map(np.asarray, load_digits(return_X_y=True))
    chosen = _balanced(digits, samples, classes, np.random.default_rng(seed))
    images, digit = all_images[chosen], digits[chosen].astype(np.int64)
    dark = (images >= INK / 2).astype(np.int64)
    varied = np.flatnonzero(np.ptp(dark, axis=0))
    names = tuple(f"dark pixel row {p // SIDE} column {p % SIDE}" for p in varied)
    notes = (f"{samples} images of the digits 0 to {classes - 1}, {SIDE} × {SIDE}, seed {seed}",)
    inputs = images.reshape(-1, 1, SIDE, SIDE) * (2 / INK) - 1
    return Problem(
        dark[:, varied], digit, names, tuple(map(str, range(classes))), notes, inputs=inputs
    )


def _balanced(digit: np.ndarray, samples: int, classes: int, rng: np.random.Generator):
    """Indices of `samples` images in random order, their digits drawn in turn."""
    if samples < classes:
        raise ValueError(f"samples: expected at least {classes} (the classes), found {samples}")
    turns = [rng.permutation(np.flatnonzero(digit == c)) for c in range(classes)]
    most = classes * min(map(len, turns))
    if samples > most:
        raise ValueError(f"samples: expected at most {most} digits, found {samples}")
    order = np.stack([turn[: most // classes] for turn in turns], axis=1).ravel()
    return rng.permutation(order[:samples])
