"""Shares and differences as steps of a colour scale, which style/heat.css gives for both themes."""

from __future__ import annotations

# The scale of shares has steps 0 … STEPS; that of differences MORE on either side of 0.
STEPS, MORE = 10, 5


def heat(value: float | None) -> str:
    """Class of the cell of a share from 0 to 1; a share that is missing has its own."""
    if value is None:
        return "heat-none"
    return f"heat-{round(min(max(value, 0.0), 1.0) * STEPS)}"


def difference_heat(value: float, most: float) -> str:
    """Class of the cell of a difference, such as "more-3", on a scale from −most to most."""
    step = round(min(abs(value) / most, 1.0) * MORE) if most > 0 else 0
    if step == 0:
        return "even"
    return f"more-{step}" if value > 0 else f"less-{step}"
