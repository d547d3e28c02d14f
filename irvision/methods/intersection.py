"""Five methods that differ in the loss weights of Algorithm 1, in G and in the tree of the result.

The quantised network, the same with the L1 term, the same with a tree grown on its codes after
training, Algorithm 1 as in the paper, and `ira`: gradients through the tests of T, G as the sum of
a linear and a two-layer map, and constant codes dropped.
"""

from __future__ import annotations

from irtheory.intersection.methods import METHODS as ROWS
from irvision.methods.contract import ImageMethod

METHODS = (
    ImageMethod("quantised", ROWS["quantised"]),
    ImageMethod("quantised+l1", ROWS["quantised+l1"]),
    ImageMethod("quantised+dt", ROWS["quantised+dt"]),
    ImageMethod("paper", ROWS["paper"]),
    ImageMethod("ira", ROWS["ira"], share_sparsity=True),
)
