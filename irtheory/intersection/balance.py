"""Classes of unequal size: weights for the losses, and draws in which all are equally frequent."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def class_weights(labels: Int[Tensor, " m"], classes: int) -> Float[Tensor, " k"]:
    """Weight m / (k' · m_c) of each class c with m_c of m samples, k' classes having any.

    The mean over samples is 1, and every class has the same total; a class without samples has
    weight 0.
    """
    counts = torch.bincount(labels, minlength=classes).double()
    weights = len(labels) / (int((counts > 0).sum()) * counts)
    return torch.where(counts > 0, weights, 0.0).float()


def balanced_draw(
    labels: Int[Tensor, " m"], generator: torch.Generator | None = None
) -> Int[Tensor, " m"]:
    """Positions of m samples in random order, in which every class is as frequent as any other.

    Frequencies differ by at most one. Samples of a small class are repeated, each as often as any
    other or once more; of a large class some are left out.

    Args:
        labels: classes of the m samples, on the CPU.
        generator: on the CPU; torch's global one by default.
    """
    found = labels.unique()
    share, more = divmod(len(labels), len(found))
    # Which classes have one more is drawn too.
    longer = set(torch.randperm(len(found), generator=generator)[:more].tolist())
    parts = []
    for number, label in enumerate(found):
        members = (labels == label).nonzero()[:, 0]
        repeats, rest = divmod(share + (number in longer), len(members))
        order = torch.randperm(len(members), generator=generator)
        parts += [members.repeat(repeats), members[order[:rest]]]
    drawn = torch.cat(parts)
    return drawn[torch.randperm(len(drawn), generator=generator)]
