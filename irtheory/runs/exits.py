"""How a command ends: its exit code, and one line on standard error where it could not go on."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

# Done; an assumption, a promise or a data set is broken; bad input; a fault of ira; Ctrl-C.
DONE, BROKEN, BAD_INPUT, FAULT, INTERRUPTED = 0, 1, 2, 3, 130
# What bad input and machines that lack something raise, here and in the libraries beneath.
EXPECTED = (ValueError, RuntimeError, ImportError, OSError, MemoryError)


class Exit(Exception):
    """Ends a command with an exit code; what there was to say has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def one_line_errors(debug: bool = False) -> Iterator[None]:
    """Turn any exception into one line on standard error and an `Exit` with its code.

    An exception that bad input cannot explain is a fault of the program: its traceback goes into
    a file, which the line names. With `debug` exceptions pass through.
    """
    try:
        yield
    except KeyboardInterrupt:
        _say("interrupted")
        raise Exit(INTERRUPTED) from None
    except EXPECTED as error:
        if debug:
            raise
        _say(" ".join(str(error).splitlines()) or type(error).__name__)
        raise Exit(BAD_INPUT) from None
    except Exception as error:
        if debug or isinstance(error, Exit):
            raise
        what = " ".join(f"{type(error).__name__}: {error}".splitlines())
        _say(f"this is a fault of ira, not of your input ({what:.200}); {_report(error)}")
        raise Exit(FAULT) from None


def _say(line: str) -> None:
    # A name may hold line ends or terminal escapes; they are shown, not obeyed.
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    print(f"\033[31mira: {shown}\033[0m" if coloured else f"ira: {shown}", file=sys.stderr)


def _report(error: Exception) -> str:
    """Write the traceback and the environment into a temporary file; says which file to send."""
    from irtheory.runs.environment import environment

    report = {"arguments": sys.argv[1:], **environment(None)}
    text = "".join(traceback.format_exception(error)) + json.dumps(report, indent=2) + "\n"
    try:
        handle, name = tempfile.mkstemp(prefix="ira-fault-", suffix=".txt")
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return "run it again with --debug and send what it prints"
    return f"please send {name}"
