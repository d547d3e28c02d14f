"""Algorithm 1 as the paper has it."""

from __future__ import annotations

from irtheory.intersection.methods import METHODS
from irvision.methods.contract import ImageMethod

METHOD = ImageMethod("paper", METHODS["paper"])
