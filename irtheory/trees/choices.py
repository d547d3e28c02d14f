"""The named choices of the tree searches, as types; loads nothing else."""

from __future__ import annotations

from typing import Literal

# What a greedy split improves most.
Criterion = Literal["entropy", "squared_error"]
# What an optimal tree minimises, see `irtheory.trees.exact.solver`.
Cost = Literal["squared_error", "linear", "entropy"]
