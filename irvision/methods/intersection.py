"""The five methods that Algorithm 1 gives, by the weights of its losses and the tree it returns.

The quantised network, the same with the L1 term, the same with a tree grown on its codes
afterwards, Algorithm 1 as the paper has it, and `ira`: gradients through the tests of T, G as a
sum of a linear and a two-layer map, and constant codes left out.
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
