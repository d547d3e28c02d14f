"""F1 of every attribute with every feature and with the complements, from counts of pairs.

F1(a, b) = 2 |a ∧ b| / (|a| + |b|), 0/0 := 0. With |f ∧ g|, |f|, |g| and N counted on the rows
where f is annotated, the complements need no counts of their own:

    |f ∧ ¬g| = |f| − |f ∧ g|,   |¬f ∧ g| = |g| − |f ∧ g|,   |¬f ∧ ¬g| = N − |f| − |g| + |f ∧ g|.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Counts:
    """Counts of n attributes and b features, float64.

    Attributes:
        both: n × b, |f ∧ g|.
        attribute: n × 1, |f|.
        feature: n × b, or 1 × b where every attribute is annotated on every row: |g|.
        rows: n × 1, or 1 × 1 likewise: N.
    """

    both: Tensor
    attribute: Tensor
    feature: Tensor
    rows: Tensor


class PairF1:
    """r̂ of a block of pairs, in buffers that all blocks share.

    Allocating arrays of this size takes longer than the arithmetic on them.

    Args:
        n: attributes.
        columns: most features of a block.
        device: of the counts.
    """

    def __init__(self, n: int, columns: int, device: torch.device) -> None:
        self.columns = columns
        self._buffers = torch.empty(4, n * columns, dtype=torch.float64, device=device)

    def load(self, counts: Counts) -> None:
        """Load a block of counts and compute F1(f, g) and F1(f, 1 − g)."""
        self._counts = counts
        shape = counts.both.shape
        views = self._buffers[:, : shape.numel()].view(4, *shape)
        self.same, self.flipped, self._work, self._total = views
        self._f1(counts.both, counts.attribute, counts.feature, self.same)
        torch.sub(counts.attribute, counts.both, out=self.flipped)
        self._f1(self.flipped, counts.attribute, counts.rows - counts.feature, self.flipped)

    def of_attributes(self) -> Tensor:
        """r̂(f, g) = max(F1(f, g), F1(f, 1 − g)), n × b; valid until the next call."""
        return torch.maximum(self.same, self.flipped, out=self._work)

    def of_features(self) -> Tensor:
        """r̂(g, f) = max(F1(g, f), F1(g, 1 − f)), n × b; valid until the next call."""
        c = self._counts
        torch.sub(c.feature, c.both, out=self._work)
        self._f1(self._work, c.rows - c.attribute, c.feature, self._work)
        return torch.maximum(self.same, self._work, out=self._work)

    def of_complements(self) -> Tensor:
        """r̂(1 − g, f) = max(F1(1 − g, f), F1(1 − g, 1 − f)), n × b; valid until the next call."""
        c = self._counts
        torch.sub(c.both, c.feature, out=self._work).add_(c.rows - c.attribute)
        self._f1(self._work, c.rows - c.attribute, c.rows - c.feature, self._work)
        return torch.maximum(self.flipped, self._work, out=self._work)

    def _f1(self, both: Tensor, first: Tensor, second: Tensor, out: Tensor) -> None:
        """2·both / (first + second) into `out`; 0 where neither side has a positive."""
        torch.add(first, second, out=self._total).clamp_(min=1)
        torch.div(both, self._total, out=out).mul_(2)
