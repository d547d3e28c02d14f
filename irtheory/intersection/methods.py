"""The named ways to learn F, G and T that are compared: rows of Table 1 and our own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from irtheory.intersection.choices import HeadKind, Search
from irtheory.intersection.weights import Weights


@dataclass(frozen=True)
class Method:
    """One way to train.

    Attributes:
        title: for tables and figures.
        weights: λ of every term.
        head: G, "two-layer" as in the paper, "linear", the sum of both ("summed"), or a
            "soft-tree" of depth d_max.
        search: how T is grown after every epoch, see `irtheory.intersection.growers.Grower`.
        final: what T of the result is: "last", that of the last epoch; "refit", its tests with
            values from the finished network; or one grown anew from the codes of the finished
            network, toward its "outputs" or the "labels".
        prune: leave codes out of the result that are the same for every training sample.
    """

    title: str
    weights: Weights
    head: HeadKind = "two-layer"
    search: Search = "greedy"
    final: Literal["last", "refit", "outputs", "labels"] = "last"
    prune: bool = False

    def weighted(self, given: Mapping[str, float]) -> Method:
        """The same with the λ that are given, by the names of `Weights`."""
        return replace(self, weights=replace(self.weights, **given))


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
        ValueError: no such method; lists those there are.
    """
    if name not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, found {name!r}")
    return METHODS[name]
