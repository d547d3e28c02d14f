"""A trained model and the file that holds it: JSON that is checked when it is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from irtheory.runs.files import InputError, write_bytes, write_json
from irtheory.runs.folder import command_of
from irtheory.studies.table.features import is_whole
from irtheory.studies.table.tree_model import TreeModel
from irtheory.tables.columns import TableColumn

if TYPE_CHECKING:
    from irtheory.studies.table.code_model import CodeModel

FORMAT, VERSION = "ira-table-model", 1
MODEL, WEIGHTS = "model.json", "model.safetensors"
MOST_BYTES = 2**26
Values = Literal["any", "whole", "0 or 1"]
KEYS = {"format", "version", "method", "label", "classes", "index", "na", "columns", "model"}


@dataclass(frozen=True)
class ModelColumn:
    """A column of the training table.

    Attributes:
        name: in the header.
        kind: what its cells are.
        words: the words of the training rows, ascending; empty for numbers.
        missing: whether cells were missing in training.
        values: what numbers the training rows had; "any" for words.
    """

    name: str
    kind: Literal["numbers", "words"]
    words: tuple[str, ...]
    missing: bool
    values: Values = "any"

    @classmethod
    def of(cls, column: TableColumn) -> ModelColumn:
        """By the rows to train on."""
        gone = bool(column.missing.any())
        if column.values is not None:
            return cls(column.name, "numbers", (), gone, _values(column))
        return cls(column.name, "words", tuple(column.levels), gone)


@dataclass(frozen=True, eq=False)
class TableModel:
    """What predicts the class of a row of a table.

    Attributes:
        method: exact, greedy or ira.
        label: the column of the training table with the classes.
        classes: ascending.
        index: the column with the names of the rows, or None.
        na: the words of missing cells; None where cells were not allowed to be missing.
        columns: that the model was trained on.
        model: the tree, or networks with their codes.
    """

    method: str
    label: str
    classes: tuple[str, ...]
    index: str | None
    na: tuple[str, ...] | None
    columns: tuple[ModelColumn, ...]
    model: TreeModel | CodeModel

    def shares(self, columns: Sequence[TableColumn]) -> Float[np.ndarray, "m k"]:
        """Shares of the classes for rows with these columns, in the order of training."""
        return self.model.shares(columns)

    def write(self, folder: Path) -> list[Path]:
        """Write model.json, and model.safetensors for networks."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "method": self.method,
            "label": self.label,
            "classes": list(self.classes),
            "index": self.index,
            "na": None if self.na is None else list(self.na),
            "columns": [asdict(column) for column in self.columns],
            "model": self.model.content(),
        }
        write_json(folder / MODEL, content)
        if isinstance(self.model, TreeModel):
            return [folder / MODEL]
        write_bytes(folder / WEIGHTS, self.model.weights())
        return [folder / MODEL, folder / WEIGHTS]


def read_model(folder: Path) -> TableModel:
    """The model of a finished run of `ira table`.

    Raises:
        InputError: no such run, or files that do not hold a model; names the file.
    """
    found = command_of(folder)
    if found != "table":
        what = "no run" if found is None else f"a run of ira {found}"
        raise InputError(f"{folder}: expected the folder of a run of ira table, found {what}")
    path = folder / MODEL
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: expected at most {MOST_BYTES // 2**20} MiB")
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; the run did not finish") from None
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: expected the model of a run ({error})") from error
    try:
        return _model(content, folder)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: expected the model of a run; {error}") from error


def _model(content: Any, folder: Path) -> TableModel:
    if not isinstance(content, dict) or set(content) != KEYS:
        raise ValueError(f"expected the keys {', '.join(sorted(KEYS))}")
    if (content["format"], content["version"]) != (FORMAT, VERSION):
        raise ValueError(f"expected {FORMAT} {VERSION}, found another format or version")
    classes = _texts("classes", content["classes"])
    if len(set(classes)) < len(classes) or len(classes) < 2:
        raise ValueError("classes: expected two or more, all different")
    columns = tuple(_column(each) for each in content["columns"])
    na = content["na"]
    if content["method"] == "ira":
        from irtheory.studies.table.code_model import CodeModel

        model = CodeModel.read(content["model"], len(classes), folder / WEIGHTS)
        names = model.needed
    else:
        model = TreeModel.read(content["model"], len(classes))
        names = model.encoder.names
    if tuple(column.name for column in columns) != names:
        raise ValueError("columns: expected those of the model")
    index = content["index"]
    if not isinstance(content["label"], str) or not isinstance(index, str | None):
        raise ValueError("label and index: expected names of columns")
    return TableModel(
        str(content["method"]),
        content["label"],
        classes,
        index,
        None if na is None else _texts("na", na),
        columns,
        model,
    )


def _texts(what: str, found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise ValueError(f"{what}: expected a list of texts")
    return tuple(found)


def _column(found: Any) -> ModelColumn:
    # Models of earlier versions do not say what their numbers are.
    known = {"values": "any", **found} if isinstance(found, dict) else {}
    if set(known) != {"name", "kind", "words", "missing", "values"}:
        raise ValueError("columns: expected name, kind, words, missing and values of each")
    if found["kind"] not in ("numbers", "words") or not isinstance(found["missing"], bool):
        raise ValueError(f"columns: expected numbers or words, found {found['kind']!r}")
    if known["values"] not in get_args(Values):
        raise ValueError(f"columns: expected any, whole or 0 or 1, found {known['values']!r}")
    words = _texts("words", found["words"])
    return ModelColumn(str(found["name"]), found["kind"], words, found["missing"], known["values"])


def _values(column: TableColumn) -> Values:
    assert column.values is not None
    if np.unique(column.values[~column.missing]).tolist() == [0, 1]:
        return "0 or 1"
    return "whole" if is_whole(column) and not column.missing.all() else "any"
