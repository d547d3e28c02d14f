"""What the estimators accept as X, read into one form: a matrix of numbers, or columns.

Arrays and lists of numbers stay a matrix. Data frames (pandas, polars) and arrays of objects are
read column by column: numbers, words, or categories with an order. None, NaN and pandas' NA are
missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Num
from sklearn.utils.validation import check_array, validate_data

from irtheory.trees.estimators.whole import EXACT, refuse_merged, refuse_merged_cells

# Its annotations know neither array-likes nor that it returns a pair where y is given.
_validate: Any = validate_data
_check_array: Any = check_array
# Types that are taken as they are; other numbers become the first of them.
_TYPES = (
    *(np.float64, np.float32, np.bool_),
    *(np.uint8, np.uint16, np.uint32, np.uint64, np.int8, np.int16, np.int32, np.int64),
)
_MISSING_TYPES = ("NAType", "NaTType")

# Numbers in general; 0 and 1 by their type; words without an order, and with one.
Kind = Literal["number", "binary", "words", "ordered"]


@dataclass(frozen=True, eq=False)
class Column:
    """One column of X.

    Attributes:
        name: its name in messages and keys.
        kind: what its values are; "binary" are booleans and whole numbers 0 and 1.
        values: [m]; numbers with NaN where missing, or words (str) with None where missing.
        order: the categories of an "ordered" column, ascending; else empty.
    """

    name: str
    kind: Kind
    values: np.ndarray
    order: tuple[str, ...] = ()

    def missing(self) -> Bool[np.ndarray, " m"]:
        """Which values are missing."""
        if self.values.dtype.kind == "f":
            return np.isnan(self.values)
        if self.values.dtype.kind == "O":
            return np.array([word is None for word in self.values], np.bool_)
        return np.zeros(len(self.values), np.bool_)


@dataclass(frozen=True, eq=False)
class Table:
    """X as it was read.

    Attributes:
        names: one a column; `x0`, `x1`, … where X has none.
        matrix: all columns, if they are numbers and none is missing.
        columns: the same one by one where `matrix` is None; else empty.
        kinds: what each column holds.
    """

    names: tuple[str, ...]
    matrix: Num[np.ndarray, "m n"] | None
    columns: tuple[Column, ...]
    kinds: tuple[Kind, ...]

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.columns[0].values if self.matrix is None else self.matrix)

    def each(self) -> tuple[Column, ...]:
        """The columns one by one."""
        if self.matrix is None:
            return self.columns
        own = zip(self.names, self.kinds, self.matrix.T, strict=True)
        return tuple(Column(name, kind, values) for name, kind, values in own)

    def rows(self, kept: Bool[np.ndarray, " m"]) -> Table:
        """The samples that are kept."""
        if self.matrix is not None:
            return Table(self.names, self.matrix[kept], (), self.kinds)
        columns = (Column(c.name, c.kind, c.values[kept], c.order) for c in self.columns)
        return Table(self.names, None, tuple(columns), self.kinds)


def read_table(estimator: Any, X: Any, reset: bool) -> Table:
    """Read X, and set (`reset`) or check the estimator's number and names of columns.

    Raises:
        ValueError: X is no table, is empty, holds an infinite number, or a column mixes numbers
            and words, or holds whole numbers that float64 may merge; the column and the row are
            named. Or two columns of a data frame have the same name.
        TypeError: a cell is neither a number nor a word, or X is sparse.
    """
    if _is_known(estimator, X, reset):
        return _from_numbers(names_of(estimator, X.shape[1]), X)
    if is_frame(X):
        _check_names_differ(list(X.columns))
        _validate(estimator, X, skip_check_array=True, reset=reset)
        return _from_frame(X)
    x = _validate(estimator, X, dtype=None, ensure_all_finite=False, reset=reset)
    names = names_of(estimator, x.shape[1])
    if x.dtype.kind in "US":
        x = _numbers_in_text(names, x)
    if x.dtype.kind == "O":
        return _from_columns(
            names, [_from_cells(n, c, ()) for n, c in zip(names, x.T, strict=True)]
        )
    if x.dtype.kind not in "biuf":
        raise ValueError(f"X: expected numbers or words, found {x.dtype}")
    if isinstance(X, list | tuple) and x.dtype.kind == "f" and (abs(x) > EXACT).any():
        # Whole numbers among others became floats.
        for name, cells in zip(names, np.array(X, dtype=object).T, strict=True):
            refuse_merged_cells("X", name, cells)
    for name, column in zip(names, x.T, strict=True) if not x.dtype.isnative else ():
        refuse_merged("X", name, column)
    return _from_numbers(names, x if x.dtype in _TYPES else x.astype(np.float64))


def _is_known(estimator: Any, X: Any, reset: bool) -> bool:
    """Whether X is a plain matrix of numbers; sets the number of columns if `reset`."""
    # Further checks would take longer than small fits.
    if type(X) is not np.ndarray or X.dtype not in _TYPES or X.ndim != 2 or not X.size:
        return False
    if reset:
        vars(estimator).pop("feature_names_in_", None)
        estimator.n_features_in_ = X.shape[1]
        return True
    names = hasattr(estimator, "feature_names_in_")  # their absence in X asks for a warning
    return not names and estimator.n_features_in_ == X.shape[1]


def names_of(estimator: Any, n: int) -> tuple[str, ...]:
    """Names of the columns that were seen in `fit`; `x0`, `x1`, … without."""
    found = getattr(estimator, "feature_names_in_", None)
    return tuple(f"x{j}" for j in range(n)) if found is None else tuple(map(str, found))


def is_frame(X: Any) -> bool:
    """Whether X is a data frame of pandas or polars, or has the methods of one."""
    return hasattr(X, "columns") and (hasattr(X, "iloc") or hasattr(X, "get_column"))


def _check_names_differ(names: list[Any]) -> None:
    seen: dict[Any, int] = {}
    for place, name in enumerate(names):
        if name in seen:
            found = f"{name!r} for columns {seen[name]} and {place}"
            raise ValueError(f"X: expected columns with different names, found {found}")
        seen[name] = place


def _from_frame(X: Any) -> Table:
    names = tuple(map(str, X.columns))
    if not names or not len(X):
        shape = f"{len(X)} × {len(names)}"
        raise ValueError(
            f"Found array with {len(X)} sample(s) and {len(names)} feature(s) (shape={shape}) "
            "while a minimum of 1 is required."
        )
    series = [_series(X, j) for j in range(len(names))]
    columns = [_from_series(name, one) for name, one in zip(names, series, strict=True)]
    return _from_columns(names, columns)


def _series(X: Any, j: int) -> Any:
    return X.iloc[:, j] if hasattr(X, "iloc") else X.get_column(X.columns[j])


def _from_series(name: str, series: Any) -> Column:
    """A column of a data frame; categories with an order keep it."""
    categories = getattr(series.dtype, "categories", None)
    if categories is not None:
        ordered = bool(getattr(series.dtype, "ordered", False))
        order = tuple(map(str, categories)) if ordered else ()
        cells = [cell if _is_missing(cell) else str(cell) for cell in series.to_numpy()]
        _check_texts_differ(name, list(categories))
        return _from_cells(name, cells, order)
    values = np.asarray(series.to_numpy())
    if values.dtype.kind in "OUS":
        return _from_cells(name, values.tolist(), ())
    if values.dtype.kind not in "biuf":
        found = f"{series.dtype} in column {name!r}"
        raise ValueError(f"X: expected numbers or words, found {found}")
    if values.dtype.kind == "f" and (abs(values) > EXACT).any():
        refuse_merged_cells("X", name, series.to_list())  # whole numbers with missing ones
    return _number_column(name, values)


def _check_texts_differ(name: str, categories: list[Any]) -> None:
    if len({str(category) for category in categories}) < len(categories):
        found = f"two of column {name!r} that read alike"
        raise ValueError(f"X: expected categories with different texts, found {found}")


def _from_cells(name: str, cells: Iterable[Any], order: tuple[str, ...]) -> Column:
    """A column of Python objects: all numbers, or all words, with missing ones between."""
    own = [None if _is_missing(cell) else cell for cell in cells]
    known = [cell for cell in own if cell is not None]
    if known and all(isinstance(cell, str) for cell in known):
        # Plain strings, as numpy's own str would print with its type.
        values = np.array([None if cell is None else str(cell) for cell in own], dtype=object)
        return Column(name, "ordered" if order else "words", values, order)
    for row, cell in enumerate(own):
        if cell is not None and not isinstance(cell, str | Real | Decimal | np.bool_):
            found = f"{type(cell).__name__} in row {row} of column {name!r}"
            raise TypeError(f"X: argument must be a string or a number, found {found}")
    for row, cell in enumerate(own):
        if isinstance(cell, str):
            found = f"both in column {name!r}, {cell!r} in row {row}"
            raise ValueError(f"X: expected numbers or words in a column, found {found}")
    refuse_merged_cells("X", name, own)
    whole = bool(known) and all(isinstance(cell, int | np.integer | np.bool_) for cell in known)
    numbers = np.array([np.nan if cell is None else _as_float(cell) for cell in own], np.float64)
    return _number_column(name, numbers, whole=whole)


def _as_float(cell: Any) -> float:
    try:
        return float(cell)
    except OverflowError:  # a fraction that no float holds
        return np.inf


def _is_missing(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in _MISSING_TYPES:
        return True
    return isinstance(cell, float | np.floating | Decimal) and cell != cell


def _number_column(name: str, values: np.ndarray, whole: bool = False) -> Column:
    refuse_merged("X", name, values)
    if values.dtype not in _TYPES:
        values = values.astype(np.float64)
    _check_finite(name, values)
    whole = whole or values.dtype.kind in "biu"
    return Column(name, "binary" if whole and _is_binary(values) else "number", values)


def _is_binary(values: np.ndarray) -> bool:
    """Whether all values that are not missing are 0 or 1."""
    return values.dtype == np.bool_ or bool(
        ((values == 0) | (values == 1) | (values != values)).all()
    )


def _check_finite(name: str, values: np.ndarray) -> None:
    if values.dtype.kind == "f" and (wrong := np.isinf(values)).any():
        found = f"{values[wrong][0]} in row {int(np.argmax(wrong))} of column {name!r}"
        raise ValueError(f"X: expected finite numbers or missing values, found infinity: {found}")


def _numbers_in_text(names: tuple[str, ...], x: np.ndarray) -> Num[np.ndarray, "m n"]:
    """An array of strings, as lists of words and numbers become one, if all are numbers."""
    try:
        numbers = _check_array(x.astype(str), dtype=np.float64, ensure_all_finite=False)
    except ValueError:
        raise ValueError(
            "X: expected numbers, found an array of strings; words are taken in data frames and "
            "in arrays of objects (dtype=object), where numbers stay numbers"
        ) from None
    if (abs(numbers) > EXACT).any():
        for name, texts in zip(names, x.astype(str).T, strict=True):
            refuse_merged_cells("X", name, [_whole_or_none(text) for text in texts])
    return numbers


def _whole_or_none(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _from_numbers(names: tuple[str, ...], x: Num[np.ndarray, "m n"]) -> Table:
    """A matrix of numbers; where some are missing, its columns."""
    if x.dtype.kind != "f" or np.isfinite(x).all():
        return Table(names, x, (), _kinds(names, x))
    return _from_columns(names, [_number_column(n, c) for n, c in zip(names, x.T, strict=True)])


def _kinds(names: tuple[str, ...], x: Num[np.ndarray, "m n"]) -> tuple[Kind, ...]:
    if x.dtype.kind == "f":
        return ("number",) * x.shape[1]
    if x.dtype == np.bool_:
        return ("binary",) * x.shape[1]
    lowest, highest = x.min(axis=0), x.max(axis=0)
    if x.dtype.itemsize == 8 and (highest.max() > EXACT or lowest.min() < -EXACT):
        for name, column in zip(names, x.T, strict=True):
            refuse_merged("X", name, column)
    both = (lowest >= 0) & (highest <= 1)
    return tuple("binary" if own else "number" for own in both.tolist())


def _from_columns(names: tuple[str, ...], columns: list[Column]) -> Table:
    """The columns, as one matrix where all are numbers and none is missing."""
    kinds: tuple[Kind, ...] = tuple(column.kind for column in columns)
    numbers = all(kind in ("number", "binary") for kind in kinds)
    if numbers and not any(column.missing().any() for column in columns):
        x = np.column_stack([column.values for column in columns])
        return Table(names, x if x.dtype in _TYPES else x.astype(np.float64), (), kinds)
    return Table(names, None, tuple(columns), kinds)
