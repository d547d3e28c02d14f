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


def to_json(fields: Mapping[str, Any], feature_names: Iterable[str] | None = None) -> str:
    """JSON text that keeps every number of a tree exactly.

    Args:
        fields: the fields of a Tree by name, arrays or numbers.
        feature_names: n_features names, which go beside them.
    """
    document: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    for field in _NESTING:
        document[field] = np.asarray(fields[field]).tolist()
    if feature_names is not None:
        names = check_names("feature_names", feature_names, fields["n_features"])
        document["feature_names"] = names
    return json.dumps(document, allow_nan=False)


def parse_json(text: str) -> dict[str, Any]:
    """The fields of a Tree, as nested lists of numbers, read from the text of ``to_json``.

    Raises ValueError, naming the key and what was found, for text that is not JSON, another
    format or version, missing or unknown keys, wrong types and ill-fitting feature names. What
    the numbers must satisfy is the constructor's to check.
    """
    document = _loaded(text)
    for key, expected in (("format", FORMAT), ("version", VERSION)):
        found = document.get(key)
        if type(found) is not type(expected) or found != expected:
            raise ValueError(f"{key}: found {reprlib.repr(found)}, expected {expected!r}")
    required = {"format", "version", *_NESTING}
    if missing := required - document.keys():
        raise ValueError(f"text: found no {', '.join(sorted(missing))}, expected every field")
    if unknown := document.keys() - required - {"feature_names"}:
        raise ValueError(f"text: found {reprlib.repr(sorted(unknown))}, expected no other key")
    for key, nesting in _NESTING.items():
        _check_nested_numbers(key, document[key], nesting)
    if "feature_names" in document:
        check_names("feature_names", document["feature_names"], document["n_features"])
    return {field: document[field] for field in _NESTING}


def check_names(argument: str, names: Iterable[str], expected: int) -> list[str]:
    """``names`` as a list; raises ValueError unless it is ``expected`` strings."""
    if isinstance(names, str | Mapping) or not isinstance(names, Iterable):
        raise ValueError(f"{argument}: found {reprlib.repr(names)}, expected {expected} names")
    found = list(names)
    if len(found) != expected:
        raise ValueError(f"{argument}: found {len(found)} names, expected {expected}")
    for name in found:
        if not isinstance(name, str):
            raise ValueError(f"{argument}: found {reprlib.repr(name)}, expected strings only")
    return [str(name) for name in found]


def _loaded(text: str) -> dict[str, Any]:
    if not isinstance(text, str):
        raise ValueError(f"text: found {type(text).__name__}, expected a string of JSON")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"text: found no JSON ({error}), expected an {FORMAT} object") from error
    if not isinstance(document, dict):
        raise ValueError(f"text: found {reprlib.repr(document)}, expected an {FORMAT} object")
    return document


def _check_nested_numbers(key: str, found: Any, nesting: int) -> None:
    """Refuse what an array would silently cast: booleans, strings, null, another nesting."""
    if nesting == 0:
        if type(found) not in (int, float):
            raise ValueError(f"{key}: found {reprlib.repr(found)}, expected a number")
    elif not isinstance(found, list):
        raise ValueError(f"{key}: found {reprlib.repr(found)}, expected a list")
    else:
        for item in found:
            _check_nested_numbers(key, item, nesting - 1)
