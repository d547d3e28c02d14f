"""Trees as JSON text, exactly."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

FORMAT = "ira-tree"
VERSION = 1
# The fields of a Tree, and how deeply the numbers of each are nested in lists.
_NESTING = {
    "feature": 1,
    "threshold": 1,
    "left": 1,
    "right": 1,
    "value": 2,
    "count": 1,
    "n_features": 0,
}
# The names that may stand beside them.
NAMES = ("feature_names", "class_names")


def to_json(
    fields: Mapping[str, Any],
    feature_names: Iterable[str] | None = None,
    class_names: Iterable[str] | None = None,
) -> str:
    """JSON text that keeps every number of a tree exactly.

    Args:
        fields: the fields of a Tree by name, arrays or numbers.
        feature_names: n_features names, which go beside them.
        class_names: k names of the outputs, in their order.
    """
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    for field in _NESTING:
        document[field] = np.asarray(fields[field]).tolist()
    if feature_names is not None:
        names = check_names("feature_names", feature_names, fields["n_features"])
        document["feature_names"] = names
    if class_names is not None:
        outputs = np.asarray(fields["value"]).shape[1]
        document["class_names"] = check_names("class_names", class_names, outputs)
    return json.dumps(document, allow_nan=False)


def parse_json(text: str) -> dict[str, Any]:
    """The fields of a Tree, as nested lists of numbers, read from the text of ``to_json``.

    With the names that stand there; files of earlier versions may have none.

    Raises ValueError, naming the key, for text that is not JSON, another
    format or version, missing or unknown keys, wrong types and a wrong number of feature names.
    The constructor of Tree checks the numbers themselves.
    """
    document = _loaded(text)
    for key, expected in (("format", FORMAT), ("version", VERSION)):
        found = document.get(key)
        if type(found) is not type(expected) or found != expected:
            raise ValueError(f"{key}: expected {expected!r}, found {reprlib.repr(found)}")
    required = {"format", "version", *_NESTING}
    if missing := required - document.keys():
        raise ValueError(f"text: expected every field, found no {', '.join(sorted(missing))}")
    if unknown := document.keys() - required - set(NAMES):
        raise ValueError(f"text: expected no other keys, found {reprlib.repr(sorted(unknown))}")
    for key, nesting in _NESTING.items():
        _check_nested_numbers(key, document[key], nesting)
    expected = (document["n_features"], max(map(len, document["value"]), default=0))
    names = {
        key: tuple(check_names(key, document[key], number))
        for key, number in zip(NAMES, expected, strict=True)
        if key in document
    }
    return {field: document[field] for field in _NESTING} | names


def check_names(argument: str, names: Iterable[str], expected: int) -> list[str]:
    """``names`` as a list; raises ValueError unless it is ``expected`` strings."""
    if isinstance(names, str | Mapping) or not isinstance(names, Iterable):
        raise ValueError(f"{argument}: expected {expected} names, found {reprlib.repr(names)}")
    found = list(names)
    if len(found) != expected:
        raise ValueError(f"{argument}: expected {expected} names, found {len(found)}")
    for name in found:
        if not isinstance(name, str):
            raise ValueError(f"{argument}: expected strings only, found {reprlib.repr(name)}")
    return [str(name) for name in found]


def _loaded(text: str) -> dict[str, Any]:
    if not isinstance(text, str):
        raise ValueError(f"text: expected a string of JSON, found {type(text).__name__}")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"text: expected an {FORMAT} object, found no JSON ({error})") from error
    if not isinstance(document, dict):
        raise ValueError(f"text: expected an {FORMAT} object, found {reprlib.repr(document)}")
    return document


def _check_nested_numbers(key: str, found: Any, nesting: int) -> None:
    """Refuse what an array would silently cast: booleans, strings, null, another nesting."""
    if nesting == 0:
        if type(found) not in (int, float):
            raise ValueError(f"{key}: expected a number, found {reprlib.repr(found)}")
    elif not isinstance(found, list):
        raise ValueError(f"{key}: expected a list, found {reprlib.repr(found)}")
    else:
        for item in found:
            _check_nested_numbers(key, item, nesting - 1)
