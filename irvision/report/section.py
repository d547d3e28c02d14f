"""A section of a report, which `irvision.report.page` puts on the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup


@dataclass(frozen=True)
class Section:
    """A section of a report.

    Attributes:
        key: identifies it in links, styles and scripts, such as "atlas".
        title: its heading.
        html: its content, from `irvision.report.rendering.render`.
        data: what its script gets, of types that JSON has; `script/KEY.js` receives it.
        pictures: rows of `ScoredImages` whose pictures it may show; the page holds each once.
    """

    key: str
    title: str
    html: Markup
    data: Mapping[str, Any] = field(default_factory=dict)
    pictures: tuple[int, ...] = ()
