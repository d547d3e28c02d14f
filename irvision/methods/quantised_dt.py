"""The quantised network, and a tree grown on its codes toward the labels."""

from __future__ import annotations

from irtheory.intersection.methods import METHODS
from irvision.methods.contract import ImageMethod

METHOD = ImageMethod("quantised+dt", METHODS["quantised+dt"])
