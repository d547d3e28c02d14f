"""T of a run as readers see it, with words for both sides of every test.

Loads no torch. Keys, figures, reports and explanations all take their words from here, so that
they agree: an expert's name of a code comes first, then the attribute that evaluation found at
the node, then the number of the code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from irtheory.trees.short_tree import ShortTree
from irtheory.trees.tree import Tree
from irvision.data.examples import Part
from irvision.runs.code_names import CodeName, read_code_names
from irvision.runs.leaf_counts import Counts, read_leaf_counts, readers_tree
from irvision.runs.names import CLASSES, EVALUATION, RESULT
from irvision.runs.reader import (
    read_classes,
    read_kept,
    read_named_tests,
    read_result,
    read_settings_content,
    read_tree,
)

NamedBy = Literal["expert", "attribute", "code"]


@dataclass(frozen=True)
class AttributeName:
    """The attribute that evaluation found at a test, see `irvision.evaluation.node_names`."""

    attribute: str
    present: bool
    f1: float | None = None
    chance: float | None = None


@dataclass(frozen=True)
class NamedTest:
    """A test code > threshold of T, with its words.

    Attributes:
        node: of T, as in tree.json.
        code: number of the code.
        threshold: of the test.
        binary: the code has one bit: it is present or absent.
        expert: words of an expert for the code, or None.
        attribute: what evaluation found at this node, or None.
    """

    node: int
    code: int
    threshold: float
    binary: bool
    expert: CodeName | None = None
    attribute: AttributeName | None = None

    @property
    def named_by(self) -> NamedBy:
        """Where the words come from."""
        if self.expert is not None:
            return "expert"
        return "code" if self.attribute is None else "attribute"

    @property
    def lowest(self) -> int:
        """The smallest value of the code that passes."""
        return math.floor(self.threshold) + 1

    def code_words(self, passed: bool = True) -> str:
        """One side by the number of the code: "code 53 absent", or "code 53 ≥ 2"."""
        if self.binary:
            return f"code {self.code} {'present' if passed else 'absent'}"
        return f"code {self.code} {'≥' if passed else '<'} {self.lowest}"

    def name_words(self, passed: bool = True) -> str:
        """One side by its name, such as "round body absent"; empty without a name."""
        if self.expert is not None:
            return self.expert.words(passed)
        return self.attribute_words(passed)

    def attribute_words(self, passed: bool = True) -> str:
        """One side by the attribute that evaluation found; empty without one."""
        if self.attribute is None:
            return ""
        present = self.attribute.present == passed
        return f"{self.attribute.attribute} {'present' if present else 'absent'}"

    def words(self, passed: bool = True) -> str:
        """One side in full: "round body absent (code 28 present)", or "code 53 present"."""
        name, code = self.name_words(passed), self.code_words(passed)
        return f"{name} ({code})" if name else code


@dataclass(frozen=True, eq=False)
class NamedTree:
    """T with everything that is needed to read it.

    Attributes:
        tree: T, over the kept codes.
        short: T for readers, see `irvision.runs.leaf_counts.readers_tree`.
        counts: images of each class at each node of T, by part.
        classes: names of the k classes.
        kept: number of each kept code, the columns of T.
        bits: r of the codes; None for a run of version 0.1, which does not say.
        tests: by node of T, all inner nodes of the short tree.
        remarks: sentences on names that could not be used.
        experts: words of an expert by code, also for codes that the key does not test.
    """

    tree: Tree
    short: ShortTree
    counts: Mapping[Part, Counts]
    classes: tuple[str, ...]
    kept: tuple[int, ...]
    bits: int | None
    tests: Mapping[int, NamedTest]
    remarks: tuple[str, ...] = ()
    experts: Mapping[int, CodeName] = field(default_factory=dict)

    def test_at(self, short_node: int) -> NamedTest:
        """The test at an inner node of the short tree."""
        return self.tests[int(self.short.nodes[short_node])]


def name_tree(
    tree: Tree,
    counts: Mapping[Part, Counts],
    classes: Sequence[str],
    kept: Sequence[int],
    bits: int | None,
    attributes: Mapping[int, AttributeName] | None = None,
    experts: Mapping[int, CodeName] | None = None,
    remarks: tuple[str, ...] = (),
) -> NamedTree:
    """T as readers see it, with the words of its tests.

    Args:
        tree: T over the kept codes.
        counts: images of each class at each node of T, by part.
        classes: names of the k classes.
        kept: the number of each kept code.
        bits: r of the codes, or None.
        attributes: what evaluation found, by node of T.
        experts: words of an expert, by code.
        remarks: sentences on names that could not be used.
    """
    short, tests = readers_tree(tree, counts), {}
    by_node, by_code = attributes or {}, experts or {}
    for at in np.flatnonzero(short.tree.feature >= 0).tolist():
        node, code = int(short.nodes[at]), int(kept[short.tree.feature[at]])
        names = by_code.get(code), by_node.get(node)
        tests[node] = NamedTest(node, code, float(short.tree.threshold[at]), bits == 1, *names)
    return NamedTree(
        tree, short, counts, tuple(classes), tuple(kept), bits, tests, remarks, by_code
    )


def read_named_tree(run: Path) -> NamedTree:
    """T of a run of `ira train`, from its files; without an evaluation, without attributes.

    Raises:
        InputError: a file is missing or damaged; says which one, and what writes it.
    """
    tree = read_tree(run)
    if (run / CLASSES).is_file():
        classes = read_classes(run, tree.n_outputs)
    else:
        classes = tuple(f"class {index}" for index in range(tree.n_outputs))
    counts = read_leaf_counts(run, tree, classes)
    result: dict[str, Any] = read_result(run) if (run / RESULT).is_file() else {}
    kept = read_kept(run, tree.n_features) if result else tuple(range(tree.n_features))
    bits = result.get("bits")
    attributes, remarks = _attributes(run)
    experts = read_code_names(run, read_dim(run, kept))
    bits = bits if type(bits) is int else None
    return name_tree(tree, counts, classes, kept, bits, attributes, experts, remarks)


def read_dim(run: Path, kept: Sequence[int]) -> int:
    """D of the run, or as many codes as are known of."""
    dim = read_settings_content(run).get("dim")
    return dim if type(dim) is int else max(kept) + 1


def _attributes(run: Path) -> tuple[dict[int, AttributeName], tuple[str, ...]]:
    if not (run / EVALUATION).is_file():
        return {}, ()
    found = read_named_tests(run)
    if found is None:
        return {}, (f"no names: those of an earlier version; run `ira evaluate {run}` again",)
    return {
        test["node"]: AttributeName(test["attribute"], test["present"], test["f1"], test["chance"])
        for test in found
    }, ()
