"""Algorithm 1 with gradients through the tests of T, a summed G, and dead codes left out."""

from __future__ import annotations

from irtheory.intersection.methods import METHODS
from irvision.methods.contract import ImageMethod

METHOD = ImageMethod("ira", METHODS["ira"], share_sparsity=True)
