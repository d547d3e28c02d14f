"""A key as data: couplets of two leads, each of which goes to another couplet or ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from irtheory.trees.tree import Tree
from irtheory.trees.writing import one_line, told_apart

# In place of a text without a letter.
NOTHING = "–"


@dataclass(frozen=True)
class Count:
    """For how many samples an end is right, such as 4 of 5 training samples.

    Attributes:
        right: samples that are what the end says.
        total: all samples that come to the end.
        samples: what is counted, such as "training samples".
    """

    right: int
    total: int
    samples: str

    @property
    def text(self) -> str:
        """Such as "4 of 5 training samples"."""
        return f"{self.right} of {self.total} {self.samples}"


@dataclass(frozen=True)
class End:
    """Where a key ends.

    Attributes:
        name: the class, or what else the tree predicts there; one line.
        counts: how often it is right, of each kind of samples.
        note: what else there is to say, where nothing is counted, such as "(n = 5)".
    """

    name: str
    counts: tuple[Count, ...] = ()
    note: str = ""

    @property
    def about(self) -> str:
        """What follows the name: ": 4 of 5 training samples, 1 of 2 test samples", or the note."""
        if self.counts:
            return f": {', '.join(count.text for count in self.counts)}"
        return f" {self.note}" if self.note else ""

    @property
    def text(self) -> str:
        """The name and what follows it."""
        return self.name + self.about


@dataclass(frozen=True)
class Lead:
    """One of the two statements of a couplet, and where a reader goes who agrees.

    Attributes:
        label: number of its couplet and a letter, such as "3b".
        statement: one line.
        goal: number of the next couplet, or the end.
    """

    label: str
    statement: str
    goal: int | End


@dataclass(frozen=True)
class Couplet:
    """Two leads that exclude each other: ``a`` is the greater branch of the tree.

    Attributes:
        number: from 1.
        parent: the lead that goes here; None for the first couplet.
        leads: ``a`` and ``b``.
        depth: number of couplets before it on the way here.
    """

    number: int
    parent: Lead | None
    leads: tuple[Lead, Lead]
    depth: int


@dataclass(frozen=True)
class Key:
    """A dichotomous key.

    Attributes:
        couplets: in the order of their numbers, which is that in which a reader meets them who
            always follows ``a``; empty where the tree is a single leaf.
        only: the end of a key without couplets, else None.
        title: one line; may be empty.
    """

    couplets: tuple[Couplet, ...]
    only: End | None = None
    title: str = ""

    @property
    def leads(self) -> tuple[Lead, ...]:
        """All leads: those of the first couplet, then of the second, and so on."""
        return tuple(lead for couplet in self.couplets for lead in couplet.leads)

    @property
    def ends(self) -> tuple[End, ...]:
        """All ends, in the order of their leads."""
        found = tuple(lead.goal for lead in self.leads if isinstance(lead.goal, End))
        return found if self.only is None else (self.only,)

    @property
    def names(self) -> tuple[str, ...]:
        """The different names of ends, in the order in which they come first."""
        return tuple(dict.fromkeys(end.name for end in self.ends))


def key_of(
    tree: Tree,
    wording: Mapping[int, tuple[str, str]],
    ends: Mapping[int, End],
    title: str = "",
) -> Key:
    """The key of a tree.

    Args:
        tree: the tree.
        wording: the words for (left, right) at every inner node.
        ends: of every leaf.
        title: of the key.

    Every text is made one line; characters that control the output are escaped. Ends with equal
    names are the same class.
    """
    plain = {
        node: End(one_line(end.name) or NOTHING, end.counts, one_line(end.note))
        for node, end in ends.items()
    }
    if tree.n_nodes == 1:
        return Key((), plain[0], one_line(title))
    order = couplet_order(tree)
    number_of = {node: number for number, node in enumerate(order, start=1)}
    parents: dict[int, tuple[Lead, int]] = {}
    couplets = []
    for node in order:
        number, (low, high) = number_of[node], wording[node]
        parent, depth = parents.get(node, (None, 0))
        sides = (("a", high, int(tree.right[node])), ("b", low, int(tree.left[node])))
        leads = []
        for letter, words, child in sides:
            goal = number_of[child] if child in number_of else plain[child]
            lead = Lead(f"{number}{letter}", one_line(words) or NOTHING, goal)
            parents[child] = lead, depth + 1
            leads.append(lead)
        couplets.append(Couplet(number, parent, (leads[0], leads[1]), depth))
    return Key(tuple(couplets), None, one_line(title))


def ends_of_counts(
    tree: Tree, counts: npt.NDArray[np.int64], classes: Sequence[str], samples: str
) -> dict[int, End]:
    """The class that each leaf names (argmax of its value), and of how many it is right.

    Args:
        tree: the tree.
        counts: samples of each class at each node [nodes, k].
        classes: names of the k classes; those that print alike are numbered.
        samples: what is counted, such as "training samples".
    """
    names, ends = told_apart(classes, "class"), {}
    for node in tree.leaves.tolist():
        named, here = int(tree.value[node].argmax()), counts[node]
        ends[node] = End(names[named], (Count(int(here[named]), int(here.sum()), samples),))
    return ends


def couplet_order(tree: Tree) -> list[int]:
    """The inner nodes of a tree in the order of their couplets.

    That is the order in which they are met when every right branch is followed before the left.
    """
    order, pending = [], [0]
    while pending:
        node = pending.pop()
        if tree.feature[node] >= 0:
            order.append(node)
            pending += [int(tree.left[node]), int(tree.right[node])]
    return order
