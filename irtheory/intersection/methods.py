"""The methods of learning F, G and T that are compared: rows of Table 1, and further ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from irtheory.intersection.choices import HeadKind, Search
from irtheory.intersection.weights import Weights


@dataclass(frozen=True)
class Method:
    """One method of training.

    Attributes:
        title: for tables and figures.
        weights: λ of every term.
        head: G, "two-layer" as in the paper, "linear", the sum of both ("summed"), or a
            "soft-tree" of depth d_max.
        search: how T is grown after every epoch, see `irtheory.intersection.growers.Grower`.
        final: what T of the result is: "last", that of the last epoch; "refit", its tests with
            values from the trained network; or a new tree grown on the codes of the trained
            network, toward its "outputs" or the "labels".
        prune: drop codes from the result that are constant on the training set.
    """

    title: str
    weights: Weights
    head: HeadKind = "two-layer"
    search: Search = "greedy"
    final: Literal["last", "refit", "outputs", "labels"] = "last"
    prune: bool = False

    def with_weights(self, weights: Mapping[str, float]) -> Method:
        """The method with other λ, by the names of `Weights`."""
        return replace(self, weights=replace(self.weights, **weights))


METHODS: dict[str, Method] = {
    "quantised": Method("quantised network", Weights(tree=0, sparsity=0)),
    "quantised+l1": Method("quantised + L1", Weights(tree=0)),
    "quantised+dt": Method("quantised + tree", Weights(tree=0, sparsity=0), final="labels"),
    "soft-tree": Method("soft tree head", Weights(tree=0, sparsity=0), head="soft-tree"),
    "paper": Method("Algorithm 1", Weights()),
    "paper+route": Method("Algorithm 1 + route", Weights(route=1)),
    "route": Method("route alone", Weights(tree=0, route=1)),
    "route+best": Method(
        "route, best trees",
        Weights(tree=0, route=1),
        search="best",
        final="outputs",
    ),
    "ira": Method(
        "ira",
        Weights(sparsity=0.006, route=1),
        head="summed",
        final="refit",
        prune=True,
    ),
}


def method_named(name: str) -> Method:
    """The method of that name.

    Raises:
        ValueError: no such method; the message lists all of them.
    """
    if name not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, found {name!r}")
    return METHODS[name]
