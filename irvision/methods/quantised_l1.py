"""The quantised network with the L1 term on its codes."""

from __future__ import annotations

from irtheory.intersection.methods import METHODS
from irvision.methods.contract import ImageMethod

METHOD = ImageMethod("quantised+l1", METHODS["quantised+l1"])
