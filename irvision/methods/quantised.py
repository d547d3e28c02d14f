"""The quantised network: F, q and G trained toward the labels alone."""

from __future__ import annotations

from irtheory.intersection.methods import METHODS
from irvision.methods.contract import ImageMethod

METHOD = ImageMethod("quantised", METHODS["quantised"])
