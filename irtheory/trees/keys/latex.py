"""Keys as LaTeX: a fragment for any document, in which no name is taken for a command."""

from __future__ import annotations

from irtheory.trees.keys.choices import Style
from irtheory.trees.keys.key import End, Key
from irtheory.trees.keys.layout import Line, lines_of

HEAD = (
    "% A key by ira, for \\input in any document. It needs no package. Letters beyond those of\n"
    "% Latin alphabets need XeLaTeX or LuaLaTeX and a font that has them.\n"
)
# In braces or with a backslash, so that no two of them join to another sign, as -- does to a dash.
SIGNS = {
    "\\": "\\textbackslash{}",
    "{": "\\{",
    "}": "\\}",
    "$": "\\$",
    "&": "\\&",
    "#": "\\#",
    "%": "\\%",
    "_": "\\_",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "{\\char34}",
    "'": "{'}",
    "`": "{\\char96}",
    "-": "{-}",
    ",": "{,}",
    "[": "{[}",
    "]": "{]}",
    "≤": "\\ensuremath{\\leq}",
    "≥": "\\ensuremath{\\geq}",
    "→": "\\ensuremath{\\rightarrow}",
    "−": "\\ensuremath{-}",
    "×": "\\ensuremath{\\times}",
    "·": "\\ensuremath{\\cdot}",
    "–": "\\textendash{}",
    "…": "\\dots{}",
}


def as_latex(key: Key, style: Style = "numbered") -> str:
    """A heading and a paragraph for each lead, with dots to where it goes."""
    head = HEAD + (f"\\section*{{{_escaped(key.title)}}}\n" if key.title else "")
    if key.only is not None:
        return f"{head}\\noindent {_goal(key.only)}\\par\n"
    lines = lines_of(key, style)
    wide = max(len(line.label) for line in lines) / 2 + 1
    paragraphs = [_paragraph(line, wide, style) for line in lines]
    return f"{head}\\begingroup\\sloppy\n{''.join(paragraphs)}\\endgroup\n"


def _paragraph(line: Line, wide: float, style: Style) -> str:
    gap = "\\smallskip" if line.opens and style != "indented" else ""
    # Deep keys would run out of the page at one em a step.
    step = f"\\hspace*{{{line.depth * 0.6:g}em}}" if line.depth else ""
    hang = f"\\hangindent={line.depth * 0.6 + wide:g}em "
    label = f"\\makebox[{wide:g}em][l]{{{_escaped(line.label)}}}"
    goal = "" if line.goal is None else f"\\dotfill\\ {_goal(line.goal)}"
    return f"{gap}\\noindent{hang}{step}{label}{_escaped(line.lead.statement)}{goal}\\par\n"


def _goal(goal: End | int) -> str:
    if not isinstance(goal, End):
        return f"\\textbf{{{goal}}}"
    return f"\\textbf{{{_escaped(goal.name)}}}{_escaped(goal.about)}"


def _escaped(text: str) -> str:
    return "".join(SIGNS.get(sign, sign) for sign in text)
