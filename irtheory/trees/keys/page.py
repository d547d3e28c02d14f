"""Keys as a page of HTML that stands alone: no script, nothing fetched."""

from __future__ import annotations

from html import escape

from irtheory.trees.keys.choices import Style
from irtheory.trees.keys.key import End, Key
from irtheory.trees.keys.layout import Line, lines_of

STYLE = """\
:root { color-scheme: light dark; }
body { font: 1rem/1.45 system-ui, sans-serif; max-width: 66rem; margin: 0 auto; padding: 1.5rem; }
.lead { display: flex; flex-wrap: wrap; align-items: baseline; column-gap: .6rem; }
.label { min-width: 3.2rem; font-variant-numeric: tabular-nums; font-weight: 600; }
.statement { overflow-wrap: anywhere; }
.dots { flex: 1 1 2rem; min-width: 1rem; border-bottom: 1px dotted; opacity: .6; }
.goal { max-width: 100%; overflow-wrap: anywhere; margin-left: auto; text-align: right; }
.about { opacity: .75; }
.couplet { margin: .7rem 0; padding: .15rem .3rem; break-inside: avoid; border-radius: .3rem; }
.couplet:target { outline: 2px solid; }
"""
# Nothing is loaded or run, whatever a name may hold.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def as_html(key: Key, style: Style = "numbered") -> str:
    """A page with a heading and all leads; couplets are linked."""
    title = escape(key.title or "Key")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n<main>\n{_body(key, style)}</main>\n</body>\n</html>\n"
    )


def _body(key: Key, style: Style) -> str:
    if key.only is not None:
        return f"<p>{_goal(key.only)}</p>\n"
    lines = lines_of(key, style)
    if style == "indented":
        return "".join(_lead(line) for line in lines)
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return "".join(
        f'<section class="couplet" id="couplet-{number}">\n{_lead(first)}{_lead(second)}'
        "</section>\n"
        for number, (first, second) in enumerate(pairs, start=1)
    )


def _lead(line: Line) -> str:
    indent = f' style="margin-left:{line.depth * 1.1:g}rem"' if line.depth else ""
    goal = ""
    if line.goal is not None:
        goal = f'<span class="dots"></span>{_goal(line.goal)}'
    return (
        f'<div class="lead"{indent}><span class="label">{escape(line.label)}</span> '
        f'<span class="statement">{escape(line.lead.statement)}</span> {goal}</div>\n'
    )


def _goal(goal: End | int) -> str:
    if not isinstance(goal, End):
        return f'<span class="goal"><a href="#couplet-{goal}">{goal}</a></span>'
    about = f'<span class="about">{escape(goal.about)}</span>' if goal.about else ""
    return f'<span class="goal"><b>{escape(goal.name)}</b>{about}</span>'
