"""What depends on the sizes of the classes: smallest leaves of T, weights, and what is said."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from irvision.settings.train import TrainSettings

# Default of --min-samples-leaf: one sample in this many.
IMAGES_A_LEAF = 200
# Share of the classes that count as small ones.
SMALL = 0.1
# Ratio of the largest class to the smallest from which --balance is suggested.
UNEQUAL = 5


def smallest_leaf(settings: TrainSettings, labels: Int[np.ndarray, " m"]) -> int:
    """Samples that a leaf of T must hold.

    The default, one sample in 200, would be more than some classes have where there are many
    classes: T could not name them. It is therefore at most half of a small class.

    Args:
        settings: of the run; what they give is obeyed.
        labels: classes of the samples that T is grown on.
    """
    if settings.min_samples_leaf is not None:
        return settings.min_samples_leaf
    sizes = np.bincount(labels)
    sizes = sizes[sizes > 0]
    small = int(np.quantile(sizes, SMALL, method="lower"))
    if settings.balance != "none":
        # T is grown on samples in which all classes are equally frequent.
        small = len(labels) // len(sizes)
    return max(min(len(labels) // IMAGES_A_LEAF, small // 2), 1)


def balance_lines(
    labels: Int[np.ndarray, " m"], classes: tuple[str, ...], settings: TrainSettings
) -> list[str]:
    """What to say before training of the sizes of the classes, and of what T can name.

    Args:
        labels: of the training images.
        classes: names of all classes.
        settings: of the run.
    """
    sizes = np.bincount(labels, minlength=len(classes))
    low, high = int(sizes.argmin()), int(sizes.argmax())
    ratio = sizes[high] / max(sizes[low], 1)
    sizes_in_words = (
        f"from {sizes[low]} training images ({classes[low]}) to {sizes[high]} ({classes[high]}), "
        f"ratio {ratio:.1f}"
    )
    if sizes[low] == sizes[high]:
        sizes_in_words = f"{sizes[low]} training images of every class"
    lines = [f"class balance: {sizes_in_words}"]
    if ratio >= UNEQUAL and settings.balance == "none":
        lines.append(
            "· small classes count little: --balance weights or --balance sampler lets each class "
            "count the same"
        )
    if settings.depth < np.log2(len(classes)):
        enough = int(np.ceil(np.log2(len(classes))))
        lines.append(
            f"· --depth {settings.depth}: T has at most {2**settings.depth} leaves, so it can name "
            f"at most {2**settings.depth} of {len(classes)} classes; --depth {enough} is the least "
            "for all"
        )
    return lines
