"""Write docs/commands.md: every command of `ira` with its options, from their declarations.

python docs/make_commands.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, get_args, get_origin

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cli import app  # noqa: E402
from irtheory.runs.commands import COMMANDS, Command  # noqa: E402
from irtheory.runs.options import Declared  # noqa: E402

HEAD = """# Commands

Every option with its default, as `ira COMMAND --help` shows them; `--debug`, which every command
has, shows the traceback of an error. `python docs/make_commands.py` makes this page from the
fields of the settings that declare the options. Beside the exit codes named below, 3 is a fault of
`ira` itself: the line that it prints names a file to send.
"""


def cell(text: str) -> str:
    """Text in a cell of a table."""
    return text.replace("|", "\\|")


def values(found: Declared) -> str:
    """What may stand for the value: a range, names, or the kind of value."""
    option, kinds = found.option, [k for k in get_args(found.hint) if k is not type(None)]
    if found.hint is bool:
        return ""
    if option.within is not None:
        return str(option.within)
    if option.metavar:
        return option.metavar
    named = kinds if get_origin(found.hint) is Literal else []
    for kind in kinds:
        named += get_args(kind)
    if named:
        return ", ".join(map(str, named))
    return getattr(kinds[0] if kinds else found.hint, "__name__", "").lower()


def row(found: Declared) -> str:
    """One option: how it is written, its values, default and help."""
    name = found.flag
    if found.hint is bool and found.option.negatable:
        name += f"`, `--no-{name[2:]}"
    default = found.default_words or ""
    return f"| `{name}` | {cell(values(found))} | {cell(default)} | {cell(found.option.help)} |"


def section(command: Command) -> str:
    """A command: what it does, a table of options for each heading, examples."""
    group = "ira" if command.app is app else "ira data"
    parts = [f"## {group} {command.name}", command.help]
    panels: dict[str, list[Declared]] = {}
    for found in command.options:
        usual = "Arguments" if found.option.argument else "Options"
        panels.setdefault(found.option.panel or usual, []).append(found)
    for panel, members in panels.items():
        lines = [f"**{panel}**", "", "| option | values | default | |", "|---|---|---|---|"]
        parts.append("\n".join([*lines, *map(row, members)]))
    parts.append("\n".join(["```", *command.examples, "```"]))
    return "\n\n".join(parts)


def page() -> str:
    """The whole page."""
    return "\n\n".join([HEAD.strip(), *map(section, COMMANDS)]) + "\n"


def main() -> None:
    """Write the page."""
    (ROOT / "docs" / "commands.md").write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
