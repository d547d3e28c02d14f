"""The image pipeline of intersection regularisation: data, networks, training and reports.

It builds on `irtheory`, which never imports it. `load` opens a finished run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irtheory.lazy import lazy_names

if TYPE_CHECKING:
    from irvision.model import Model, load

__all__ = ["Model", "load"]

__getattr__ = lazy_names("irvision", {"irvision.model": ("Model", "load")})
