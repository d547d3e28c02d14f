"""What `ira data check` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from irtheory.runs.console import print_plain
from irvision.data.report.check import Findings
from irvision.data.report.pictures import sentences

# Entries of a long list that are printed; --json has them all.
SHOWN = 5


def print_findings(console: Console, found: Findings) -> None:
    """Print what is wrong, then the counts, then the verdict."""
    drawn = "drawn, no files needed" if found.whole else "none of its files found"
    print_plain(console, f"{found.dataset}: {found.root or drawn}")
    for path, what, use in found.missing:
        print_plain(console, f"missing: {path}: {what} (for {use})")
    for line in found.broken:
        print_plain(console, f"unusable: {line}")
    _print_some(console, "images that are missing", found.absent)
    if found.missing or found.absent:
        print_plain(console, found.source)
    _print_some(console, "images that cannot be read", found.undecodable)
    _print_some(console, "boxes that reach beyond their image (cut to it)", found.clipped)
    for line in _counts(found):
        print_plain(console, line)
    for line in () if found.pictures is None else sentences(found.pictures):
        print_plain(console, line)
    verdict = "[bold green]whole[/]" if found.whole else "[bold red]not whole[/]"
    console.print(f"{verdict}{_summary(found)}")


def _print_some(console: Console, what: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    print_plain(console, f"{what}: {len(lines)}")
    for line in lines[:SHOWN]:
        print_plain(console, f"  {line}")
    if len(lines) > SHOWN:
        print_plain(console, f"  and {len(lines) - SHOWN} more (--json lists all)")


def _counts(found: Findings) -> list[str]:
    if found.classes is None or found.parts is None:
        return []
    paper = found.paper or {}
    lines = [
        f"samples: {found.samples}" + (f", in {found.images} images" if found.images else ""),
        "parts: " + ", ".join(f"{part} {count}" for part, count in found.parts.items()),
        f"classes: {len(found.classes)}{_beside(paper, 'classes')}: "
        + ", ".join(f"{name} {count}" for name, count in found.classes.items()),
    ]
    if found.attributes is not None:
        unknown = f", {found.unknown:.1%} of values not known" if found.unknown else ""
        lines.append(f"attributes: {found.attributes}{_beside(paper, 'attributes')}{unknown}")
    return [*lines, *(f"· {note}" for note in found.notes)]


def _beside(paper: dict[str, int], key: str) -> str:
    return f" (paper {paper[key]})" if key in paper else ""


def _summary(found: Findings) -> str:
    fewer = f"fewer than the official {', '.join(found.fewer)}" if found.fewer else ""
    if found.whole and fewer:
        return f" as listed, every image can be read, but {fewer}"
    if found.whole:
        return ": nothing is missing, and every image can be read"
    counts = {
        "missing files": len(found.missing),
        "unusable files": len(found.broken),
        "missing images": len(found.absent),
        "images that cannot be read": len(found.undecodable),
    }
    wrong = [f"{what} {count}" for what, count in counts.items() if count]
    return ": " + ", ".join(wrong + [fewer] * bool(fewer))
