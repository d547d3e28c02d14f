"""Named choices of keys; loads nothing, as the options of commands name them."""

from __future__ import annotations

from typing import Literal

Format = Literal["text", "markdown", "latex", "html", "json", "dot", "sdd", "clavis", "csv"]
Style = Literal["numbered", "bracketed", "indented"]
