"""λ, the weights of the terms of Algorithm 1's objective; loads no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Weights:
    """λ of every term; a term with weight 0 is left out.

    Attributes:
        label: λ1, of L[G∘F_q, y]; above 0, as G has no other loss before the first tree.
        tree: λ2, of L[G∘F_q, T∘F_q], from the second epoch.
        sparsity: λ3, of R[F].
        route: λ4, of L[T∘F_q, y] with gradients through the tests of T. Not in the paper.
    """

    label: float = 2.0
    tree: float = 1.0
    sparsity: float = 0.001
    route: float = 0.0

    def __post_init__(self) -> None:
        """Check every weight; ValueError names the first that is out of range."""
        if not self.label:
            raise ValueError("lambda_label: expected a number > 0, found 0")
        for field in fields(self):
            found = getattr(self, field.name)
            if not 0 <= found < float("inf"):
                raise ValueError(f"lambda_{field.name}: expected a number ≥ 0, found {found!r}")

    @property
    def coupling(self) -> str:
        """How T acts on F: "route" if its tests pass gradients on, "paper" if it is constant."""
        return "route" if self.route else "paper"
