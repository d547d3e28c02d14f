"""What an evaluation scores: T, and the codes and outputs of the network for every part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from irtheory.trees.short_tree import class_counts
from irtheory.trees.tree import Tree
from irvision.data.examples import Attributes, Part


@dataclass(frozen=True, eq=False)
class Predictions:
    """Codes and outputs of a network for m images.

    Attributes:
        codes: all d codes of F_q(x), also those that T's columns leave out.
        outputs: G(F_q(x)), probabilities or logits of k classes.
        labels: y, true classes.
        levels: features in units of codes before they are rounded, or None.
    """

    codes: UInt8[np.ndarray, "m d"]
    outputs: Float[np.ndarray, "m k"]
    labels: Int[np.ndarray, " m"]
    levels: Float[np.ndarray, "m d"] | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained network and tree with its predictions.

    Attributes:
        tree: T over the kept codes.
        kept: numbers of the kept codes, ascending.
        bits: r of the codes.
        classes: names of the k classes.
        parts: predictions for "test" and, where they are known, "validation" and "train".
        attributes: annotations of these parts, rows as in `parts`; parts without any may be left
            out.
        trained_on: number of training images of each class; None takes those of `parts`.
    """

    tree: Tree
    kept: Int[np.ndarray, " kept"]
    bits: int
    classes: tuple[str, ...]
    parts: Mapping[Part, Predictions]
    attributes: Mapping[Part, Attributes]
    trained_on: Int[np.ndarray, " k"] | None = None

    def __post_init__(self) -> None:
        """ValueError unless trees, codes, names, outputs and annotations fit each other."""
        test = self.parts["test"]
        if len(self.kept) and not 0 <= self.kept.min() <= self.kept.max() < test.codes.shape[1]:
            raise ValueError(
                f"kept: expected codes 0 … {test.codes.shape[1] - 1}, found {self.kept.max()}"
            )
        for name, found, expected in (
            ("tree", self.tree.n_features, len(self.kept)),
            ("classes", len(self.classes), test.outputs.shape[1]),
            *((f"{p}: labels", len(q.labels), len(q.codes)) for p, q in self.parts.items()),
            *(
                (f"{part}: attributes", len(found.values), len(self.parts[part].codes))
                for part, found in self.attributes.items()
            ),
        ):
            if found != expected:
                raise ValueError(f"{name}: expected {expected} entries, found {found}")

    @property
    def test(self) -> Predictions:
        """The predictions that are scored."""
        return self.parts["test"]

    def annotated(self, part: Part) -> Attributes | None:
        """The annotation of a part; None without a single known value."""
        found = self.attributes.get(part)
        return None if found is None or np.isnan(found.values).all() else found

    def kept_codes(self, part: Part) -> UInt8[np.ndarray, "m kept"]:
        """The codes that T may test."""
        return self.parts[part].codes[:, self.kept]

    def by_g(self, part: Part) -> Int[np.ndarray, " m"]:
        """Classes that G names."""
        return self.parts[part].outputs.argmax(1)

    def by_t(self, part: Part) -> Int[np.ndarray, " m"]:
        """Classes that T names."""
        return self.tree.predict(self.kept_codes(part)).argmax(1)

    def counts(self) -> dict[Part, Int[np.ndarray, "nodes k"]]:
        """Images of each class at each node of T, for every part."""
        k = len(self.classes)
        return {
            part: class_counts(self.tree, self.kept_codes(part), each.labels, k)
            for part, each in self.parts.items()
        }

    def constant(self) -> Bool[np.ndarray, " d"]:
        """Whether each code is the same for all training images (without them, all test images)."""
        codes = self.parts.get("train", self.test).codes
        return (codes == codes[:1]).all(0)
