"""An explanation in words, for the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from irvision.explain.explanation import CLOSE, Explanation, Step

# Classes at the end of the path, at most.
MOST_MIXED = 3


def lines_of(found: Explanation) -> Iterator[str]:
    """The explanation line by line, without the name of the image."""
    for step in found.steps:
        yield f"{step.label}. {step.words}: {distance(step)}"
    yield f"→ T: {found.by_t} ({mix_words(found)})"
    if not found.as_trained:
        yield "  no image of the run went this way: T was never seen to be right there"
    likeliest = ", ".join(f"{name} {p:.3f}" for name, p in found.likeliest[:MOST_MIXED])
    yield f"  G: {found.by_g}, {agreement(found)} ({likeliest})"
    if (closest := found.closest) is not None and closest.margin < CLOSE:
        yield f"  close call: {closest.words} by {closest.margin:.2f} of a step"
    yield f"  {change_words(found)}"


def distance(step: Step) -> str:
    """Value, level and margin of a test in words."""
    return (
        f"code {step.test.code} = {step.value} (before rounding {step.level:.2f}; "
        f"{step.margin:.2f} of a step from the threshold)"
    )


def mix_words(found: Explanation) -> str:
    """The classes at the end of the path."""
    total = sum(found.mix.values())
    shown = list(found.mix.items())[:MOST_MIXED]
    if found.counted:
        return "training images there: " + ", ".join(f"{name} {n:.0f}" for name, n in shown)
    return ", ".join(f"{name} {n / max(total, 1e-12):.2f}" for name, n in shown)


def agreement(found: Explanation) -> str:
    """Whether both name one class."""
    return "as T" if found.by_g == found.by_t else "not as T"


def change_words(found: Explanation) -> str:
    """The smallest change in words."""
    if found.changed is None:
        return "no change of codes would change the class: T names no other"
    moves = " and ".join(move.words for move in found.moves)
    return f"T would name {found.changed} with {moves}"


def as_content(name: str, found: Explanation) -> dict[str, Any]:
    """The explanation as plain JSON; maps are left to the sheets."""
    return {
        "image": name,
        "class_of_tree": found.by_t,
        "class_of_network": found.by_g,
        "agree": found.by_g == found.by_t,
        "as_trained": found.as_trained,
        "path": [
            {
                "node": step.test.node,
                "couplet": step.couplet,
                "words": step.words,
                "name": step.test.name_words(step.passed),
                "named_by": step.test.named_by,
                "code": step.test.code,
                "value": step.value,
                "level": step.level,
                "threshold": step.test.threshold,
                "passed": step.passed,
                "margin": step.margin,
            }
            for step in found.steps
        ],
        "leaf": found.leaf,
        "at_end": dict(found.mix),
        "at_end_are": "training images" if found.counted else "shares",
        "probabilities": dict(found.likeliest),
        "smallest_change": None
        if found.changed is None
        else {
            "class": found.changed,
            "codes": [
                {"code": move.code, "from": move.value, "to": move.to, "words": move.words}
                for move in found.moves
            ],
        },
    }
