"""The tree as a dichotomous key: couplets that open and close, and questions to answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from irvision.data.examples import Part
from irvision.report.couplets import mixes, number_couplets, pictures_at
from irvision.report.rendering import render
from irvision.report.section import Section
from irvision.report.source import ReportRun
from irvision.runs.key import key_text

# Parts whose images are counted, the one that says most of the tree first, and their words.
COUNTED: tuple[tuple[Part, str], ...] = (("test", "test"), ("train", "training"))


def make(run: ReportRun) -> Section:
    """The key of a run; data has an entry for each node of the short tree, in preorder."""
    named, tree = run.named, run.named.short.tree
    couplets, shown = number_couplets(named), pictures_at(run)
    counted: list[tuple[Part, str]] = [each for each in COUNTED if each[0] in named.counts]
    nodes = [_node(run, node, couplets.number, shown) for node in range(tree.n_nodes)]
    leaves = tree.leaves.tolist()
    at_leaves = named.short.nodes[leaves].tolist()
    data: dict[str, Any] = {
        "nodes": nodes,
        "depth": int(tree.depth),
        "counted": [words for _, words in counted],
        # Only at leaves: the script adds them up.
        "mixes": {
            words: dict(zip(leaves, mixes(named.counts[part], at_leaves), strict=True))
            for part, words in counted
        },
    }
    pictures = {row for rows in shown.values() for row in rows}
    html = render(
        "key.html",
        couplets=len(couplets.number),
        leaves=tree.n_leaves,
        depth=int(tree.depth),
        all_leaves=named.tree.n_leaves,
        codes=len(couplets.of_code),
        kept=len(named.kept),
        classes=run.classes,
        counted=[words for _, words in counted],
        has_pictures=bool(pictures),
        text=key_text(named).splitlines(),
    )
    return Section("key", "Key", html, data, tuple(sorted(pictures)))


def _node(
    run: ReportRun, node: int, number: Mapping[int, int], shown: dict[int, list[int]]
) -> dict[str, Any]:
    """A couplet with both leads, or a leaf with its class."""
    tree, here = run.named.short.tree, {"shots": shown.get(node, [])}
    if tree.feature[node] < 0:
        return {"class": int(np.argmax(tree.value[node])), **here}
    test = run.named.test_at(node)
    return {
        "number": number[node],
        # Lead a, then lead b.
        "next": [int(tree.right[node]), int(tree.left[node])],
        "words": [[test.name_words(passed), test.code_words(passed)] for passed in (True, False)],
        "code": test.code,
        **here,
    }
