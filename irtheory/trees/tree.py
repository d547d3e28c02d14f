"""The class T: a binary decision tree held as read-only arrays, with an exact JSON form."""

from __future__ import annotations

import reprlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from irtheory.trees.serialise import NAMES, check_names, parse_json, to_json

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Tree:
    """A decision tree T: x -> v, where a sample with ``x[feature] <= threshold`` goes left.

    Nodes are numbered in preorder (a node, its left subtree, its right subtree), the root is 0.
    Arrays are copied, cast and made read-only; two trees are equal when their contents are.

    Attributes:
        feature: tested column, int64 [nodes]; -1 at a leaf.
        threshold: float64 [nodes]; 0 at a leaf.
        left: left child, int64 [nodes]; -1 at a leaf.
        right: right child, int64 [nodes]; -1 at a leaf.
        value: prediction of every node, inner ones too, float64 [nodes, k].
        count: training samples (or their weight) at every node, float64 [nodes].
        n_features: width of the inputs.
        feature_names: names of the inputs, if known; names do not count in comparisons.
        class_names: names of the k outputs, in the order of `value`, if known.

    Raises:
        ValueError: a wrong number of names, or the arrays are not one finite tree in preorder;
            names the field and the node.
    """

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    value: Floats
    count: Floats
    n_features: int
    feature_names: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Copy and freeze the arrays, then check that they are one tree in preorder."""
        object.__setattr__(self, "n_features", _width(self.n_features))
        for name in ("feature", "left", "right"):
            object.__setattr__(self, name, _frozen(name, getattr(self, name), np.int64))
        for name in ("threshold", "value", "count"):
            object.__setattr__(self, name, _frozen(name, getattr(self, name), np.float64))
        _check_shapes(self)
        _check_numbers(self)
        _check_links(self)
        _check_preorder(self)
        for name, expected in zip(NAMES, (self.n_features, self.n_outputs), strict=True):
            if (names := getattr(self, name)) is not None:
                object.__setattr__(self, name, tuple(check_names(name, names, expected)))

    @classmethod
    def leaf(cls, value: npt.ArrayLike, count: float, n_features: int) -> Tree:
        """The tree of one leaf that predicts ``value`` [k] for every input."""
        none, own = np.array([-1]), _numeric("value", value, np.float64)[np.newaxis]
        return cls(none, np.zeros(1), none, none, own, np.array([count]), n_features)

    @classmethod
    def grow(
        cls, feature: int, threshold: float, left: Tree, right: Tree,
        value: npt.ArrayLike, count: float,
    ) -> Tree:  # fmt: skip
        """Join two trees under a new root that tests ``x[feature] <= threshold``.

        ``value`` [k] and ``count`` are the root's own. Raises ValueError when the two trees
        differ in ``n_features`` or ``n_outputs``, or the root does not fit them.
        """
        for name in ("n_features", "n_outputs"):
            if getattr(left, name) != getattr(right, name):
                found = f"{getattr(left, name)} and {getattr(right, name)}"
                raise ValueError(f"left and right: expected equal {name}, found {found}")
        own = _numeric("value", value, np.float64)
        if own.shape != (left.n_outputs,):
            raise ValueError(f"value: expected ({left.n_outputs},), found shape {own.shape}")
        start = 1 + left.n_nodes
        return cls(
            _join([feature], left.feature, right.feature),
            _join([threshold], left.threshold, right.threshold),
            _join([1], _shifted(left.left, 1), _shifted(right.left, start)),
            _join([start], _shifted(left.right, 1), _shifted(right.right, start)),
            _join([own], left.value, right.value),
            _join([count], left.count, right.count),
            left.n_features,
        )

    def with_values(self, value: npt.ArrayLike, count: npt.ArrayLike | None = None) -> Tree:
        """The same tests with other predictions [nodes, k] and, if given, counts [nodes]."""
        return replace(self, value=value, count=self.count if count is None else count)

    @property
    def n_nodes(self) -> int:
        """Number of nodes, inner ones and leaves."""
        return len(self.feature)

    @property
    def n_outputs(self) -> int:
        """Number k of predicted values."""
        return self.value.shape[1]

    @property
    def n_leaves(self) -> int:
        """Number of leaves."""
        return len(self.leaves)

    @cached_property
    def leaves(self) -> Ints:
        """Node ids of the leaves, ascending (left to right), int64 [n_leaves], read-only."""
        return _frozen("leaves", np.flatnonzero(self.feature == -1), np.int64)

    @cached_property
    def depth(self) -> int:
        """Largest number of tests on a path; 0 for a single leaf."""
        depth, level = 0, np.array([0])
        while (inner := level[self.feature[level] >= 0]).size:
            depth, level = depth + 1, np.concatenate([self.left[inner], self.right[inner]])
        return depth

    @property
    def used_features(self) -> tuple[int, ...]:
        """The columns that some node tests, ascending."""
        return tuple(np.unique(self.feature[self.feature >= 0]).tolist())

    def predict(self, x: npt.ArrayLike) -> Floats:
        """T(x), the value of the leaf that each row of ``x`` [m, n_features] reaches: [m, k]."""
        return self.value[self.apply(x)]

    def apply(self, x: npt.ArrayLike) -> Ints:
        """Node id of the leaf that each row of ``x`` [m, n_features] reaches: int64 [m].

        Raises ValueError when ``x`` is not a finite numeric array of that width.
        """
        return self.apply_checked(self._checked(x))

    def apply_checked(self, x: npt.NDArray[Any]) -> Ints:
        """`apply` for an array known to be finite, real and of that width, without a copy."""
        return deque(self._descend(x), maxlen=1).pop()

    def decision_path(self, x: npt.ArrayLike) -> Bools:
        """Whether each row of ``x`` [m, n_features] visits each node: bool [m, nodes]."""
        checked = self._checked(x)
        visited = np.zeros((len(checked), self.n_nodes), dtype=np.bool_)
        for node in self._descend(checked):
            visited[np.arange(len(checked)), node] = True
        return visited

    def to_json(
        self, feature_names: Iterable[str] | None = None, class_names: Iterable[str] | None = None
    ) -> str:
        """JSON text from which ``from_json`` rebuilds every number, bit for bit, and the names.

        Names are those of the tree unless others are given: n_features and k strings.
        """
        features = self.feature_names if feature_names is None else feature_names
        return to_json(
            vars(self), features, self.class_names if class_names is None else class_names
        )

    @classmethod
    def from_json(cls, text: str) -> Tree:
        """Rebuild a tree from ``to_json``, with its names if they stand there.

        Raises ValueError that says what is malformed.
        """
        return cls(**parse_json(text))

    def __eq__(self, other: object) -> bool:
        """Equal contents, compared as numbers; names do not count."""
        if not isinstance(other, Tree):
            return NotImplemented
        return all(
            np.array_equal(getattr(self, f.name), getattr(other, f.name))
            for f in fields(self)
            if f.name not in NAMES
        )

    def __reduce__(self) -> tuple[type[Tree], tuple[Any, ...]]:
        """Copies go through the constructor, so that they are checked and read-only too."""
        return Tree, tuple(getattr(self, f.name) for f in fields(self))

    def _descend(self, x: npt.NDArray[Any]) -> Iterator[Ints]:
        """The node of every sample after 0, 1, ..., depth tests; samples in leaves stay there."""
        rows, node = np.arange(len(x)), np.zeros(len(x), dtype=np.int64)
        yield node
        for _ in range(self.depth):
            feature = self.feature[node]
            goes_left = x[rows, feature] <= self.threshold[node]
            child = np.where(goes_left, self.left[node], self.right[node])
            node = np.where(feature >= 0, child, node)
            yield node

    def _checked(self, x: npt.ArrayLike) -> Floats:
        found = _numeric("x", x, np.float64)
        if found.ndim != 2 or found.shape[1] != self.n_features:
            raise ValueError(f"x: expected (m, {self.n_features}), found shape {found.shape}")
        for row, column in np.argwhere(~np.isfinite(found))[:1]:
            cell = f"{found[row, column]} at row {row}, column {column}"
            raise ValueError(f"x: expected finite numbers, found {cell}")
        return found


def _join(root: list[Any], left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.concatenate([root, left, right])


def _shifted(child: Ints, offset: int) -> Ints:
    return np.where(child >= 0, child + offset, -1)


def _width(found: Any) -> int:
    if isinstance(found, bool) or not isinstance(found, int | np.integer) or found < 1:
        raise ValueError(f"n_features: expected an integer >= 1, found {reprlib.repr(found)}")
    return int(found)


def _numeric(name: str, raw: npt.ArrayLike, dtype: type[np.generic]) -> np.ndarray:
    try:
        found = np.asarray(raw)
    except ValueError as error:
        raise ValueError(f"{name}: expected equal rows, found no array ({error})") from error
    whole = dtype is np.int64
    fits = np.can_cast(found.dtype, dtype, "safe" if whole else "same_kind")
    if found.dtype.kind not in ("iu" if whole else "biuf") or not fits:
        kind = np.dtype(dtype).name
        raise ValueError(f"{name}: expected numbers that fit {kind}, found dtype {found.dtype}")
    return found.astype(dtype, copy=False)


def _frozen(name: str, raw: npt.ArrayLike, dtype: type[np.generic]) -> np.ndarray:
    copy = np.array(_numeric(name, raw, dtype), dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy


def _refuse_where(wrong: Bools, name: str, found: np.ndarray, expected: str) -> None:
    if wrong.any():
        node = int(np.argmax(wrong))
        raise ValueError(f"{name}: expected {expected}, found {found[node]} at node {node}")


def _check_shapes(tree: Tree) -> None:
    nodes = tree.feature.size
    if tree.feature.ndim != 1 or not nodes:
        raise ValueError(
            f"feature: expected (nodes,), nodes >= 1, found shape {tree.feature.shape}"
        )
    for name in ("threshold", "left", "right", "count"):
        if (shape := getattr(tree, name).shape) != (nodes,):
            raise ValueError(f"{name}: expected ({nodes},), found shape {shape}")
    shape = tree.value.shape
    if len(shape) != 2 or shape[0] != nodes or not shape[1]:
        raise ValueError(f"value: expected ({nodes}, k), k >= 1, found shape {shape}")


def _check_numbers(tree: Tree) -> None:
    for name in ("threshold", "count", "value"):
        found = getattr(tree, name)
        bad = ~np.isfinite(found).reshape(tree.n_nodes, -1).all(axis=1)
        _refuse_where(bad, name, found, "finite numbers")
    _refuse_where(tree.count < 0, "count", tree.count, "no negative count")
    outside = (tree.feature < -1) | (tree.feature >= tree.n_features)
    _refuse_where(outside, "feature", tree.feature, f"-1 ... {tree.n_features - 1}")
    stray = (tree.feature == -1) & (tree.threshold != 0)
    _refuse_where(stray, "threshold", tree.threshold, "0 at a leaf (feature -1)")


def _check_links(tree: Tree) -> None:
    node, inner = np.arange(tree.n_nodes), tree.feature >= 0
    for name in ("left", "right"):
        child = getattr(tree, name)
        _refuse_where(~inner & (child != -1), name, child, "-1 at a leaf (feature -1)")
        _refuse_where(inner & (child == -1), name, child, "two children where feature >= 0")
        outside = inner & ((child <= node) | (child >= tree.n_nodes))
        _refuse_where(outside, name, child, f"a child after its parent, below {tree.n_nodes}")
    children = np.concatenate([tree.left[inner], tree.right[inner]])
    reached = np.bincount(children, minlength=tree.n_nodes)
    reached[0] += 1
    if (reached != 1).any():
        lost = int(np.argmax(reached != 1))
        found = "twice or more" if reached[lost] else "never"
        raise ValueError(
            f"left and right: expected every node reached once, found node {lost} reached {found}"
        )


def _check_preorder(tree: Tree) -> None:
    left, right, pending = tree.left.tolist(), tree.right.tolist(), [0]
    for place in range(tree.n_nodes):
        node = pending.pop()
        if node != place:
            raise ValueError(
                f"left and right: expected preorder, found node {node} in place {place}"
            )
        if left[node] >= 0:
            pending += [right[node], left[node]]
