"""The named choices of Algorithm 1, as types; loads no torch."""

from __future__ import annotations

from typing import Literal

# How T is grown after an epoch, see `irtheory.intersection.growers.Grower`.
Search = Literal["greedy", "refined", "best"]
# G, see `irtheory.intersection.layers.make_head`.
HeadKind = Literal["two-layer", "linear", "summed", "soft-tree"]
# What F ends with, before q.
Activation = Literal["relu", "sigmoid"]
# What the quantiser divides into equal parts, see `UniformQuantizer`.
Range = Literal["running", "batch", "unit"]
