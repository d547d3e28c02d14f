"""Keys as a drawing for Graphviz."""

from __future__ import annotations

from irtheory.trees.keys.key import End, Key
from irtheory.trees.written import dot_quoted


def as_dot(key: Key) -> str:
    """A digraph: couplets as circles with their numbers, leads as arrows with what they say."""
    lines = ["digraph key {", "  node [shape=box];"]
    if key.title:
        lines.append(f"  label={dot_quoted(key.title)}; labelloc=t;")
    if key.only is not None:
        lines.append(f"  only [label={dot_quoted(_end(key.only))}];")
    lines += [
        f'  couplet{couplet.number} [label="{couplet.number}", shape=circle];'
        for couplet in key.couplets
    ]
    for couplet in key.couplets:
        for lead in couplet.leads:
            goal = f"couplet{lead.goal}"
            if isinstance(lead.goal, End):
                goal = f"end{lead.label}"
                lines.append(f"  {goal} [label={dot_quoted(_end(lead.goal))}];")
            label = dot_quoted(lead.statement)
            lines.append(f"  couplet{couplet.number} -> {goal} [label={label}];")
    return "\n".join([*lines, "}"]) + "\n"


def _end(end: End) -> str:
    return "\n".join([end.name, *(count.text for count in end.counts), *filter(None, [end.note])])
