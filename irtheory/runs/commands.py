"""Typer commands made from settings dataclasses: `irtheory.runs.options` says what they declare."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import typer

from irtheory.runs.exits import Exit, one_line_errors
from irtheory.runs.files import InputError
from irtheory.runs.options import Declared, check_range, declared

Work = Callable[[dict[str, Any]], int | None]
DEBUG = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel="Output")
]


@dataclass(frozen=True)
class Command:
    """A command that was made: its group, name, help, options and examples."""

    app: typer.Typer
    name: str
    help: str
    options: tuple[Declared, ...]
    examples: tuple[str, ...]


# All commands, in the order in which they were made.
COMMANDS: list[Command] = []


def command(
    app: typer.Typer, *settings: type, examples: Sequence[str], name: str | None = None
) -> Callable[[Work], Work]:
    """Make a command of a function whose options are the declared fields of some dataclasses.

    The function gets the options that were given, by the names of their fields, as values of
    their fields' types, and returns the exit code; None is 0. Its docstring is the help, which
    ends with the examples. Every command has --debug, and ends in one line where it fails.

    Args:
        app: to add the command to.
        settings: dataclasses, in the order in which help lists their options.
        examples: command lines.
        name: of the command; None is that of the function.
    """
    options = {name: found for each in settings for name, found in declared(each).items()}

    def decorate(work: Work) -> Work:
        def run(debug: bool = False, **values: Any) -> None:
            given = {key: v for key, v in values.items() if v is not None and v != []}
            try:
                with one_line_errors(debug):
                    code = work({key: _read(options[key], v) for key, v in given.items()})
            except Exit as end:
                code = end.code
            raise typer.Exit(code or 0)

        parameters = [*map(_parameter, options.values()), _debug()]
        # Typer reads the signature; values come by keyword.
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        made = Command(
            app,
            name or work.__name__,
            inspect.getdoc(work) or "",
            tuple(options.values()),
            tuple(examples),
        )
        epilog = "\n\n".join(["Examples:", *examples])
        app.command(made.name, help=made.help, epilog=epilog)(run)
        COMMANDS.append(made)
        return work

    return decorate


def _read(found: Declared, value: Any) -> Any:
    """A value of the command line as a value of the field, within its range."""
    value = value if found.option.read is None else found.option.read(value)
    check_range(found, value)
    return value


def _debug() -> inspect.Parameter:
    kind = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter("debug", kind, default=False, annotation=DEBUG)


def _parameter(found: Declared) -> inspect.Parameter:
    """The parameter of a Typer command that stands for a field.

    Its default is None, "not given", so that the command knows what was asked; help shows the
    default of the field.
    """
    option, kind = found.option, inspect.Parameter.KEYWORD_ONLY
    hint = _hint(found)
    if option.argument:
        shown = typer.Argument(help=option.help, metavar=option.metavar)
        required = type(None) not in get_args(hint)
        default = inspect.Parameter.empty if required else None
        annotation = Annotated[hint, shown]
        return inspect.Parameter(found.name, kind, default=default, annotation=annotation)
    flag = found.flag
    if hint is bool:
        flag += f"/--no-{flag[2:]}" if option.negatable else ""
    shown = typer.Option(
        flag,
        help=option.help,
        show_default=found.default_words or False,
        rich_help_panel=option.panel,
        metavar=option.metavar,
    )
    return inspect.Parameter(
        found.name, kind, default=None, annotation=Annotated[hint | None, shown]
    )


def _hint(found: Declared) -> Any:
    """The type that Typer reads from the command line."""
    option = found.option
    if option.repeatable:
        return list[str]
    return str if option.read is not None else found.hint


def refuse_given(given: Mapping[str, Any], settings: type, why: str) -> None:
    """InputError if an option of a dataclass was given that has no effect.

    Args:
        given: options of the command line, by the names of their fields.
        settings: the dataclass.
        why: it has none.
    """
    found = [option.flag for name, option in declared(settings).items() if name in given]
    if found:
        raise InputError(f"{', '.join(found)}: no effect here, as {why}")
