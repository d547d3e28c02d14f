"""Mistakes on test images: where G and T disagree, confused classes, the surest errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from irvision.report.couplets import number_couplets
from irvision.report.heat import MORE, heat
from irvision.report.rendering import render
from irvision.report.section import Section
from irvision.report.source import ReportRun
from irvision.report.words import count, percent
from irvision.runs.named_tree import NamedTree
from irvision.runs.scored_images import ScoredImages

# Images and pairs of classes that are listed, pictures of errors, classes of the matrix.
MOST_LISTED, MOST_PAIRS, MOST_SHOWN, MOST_CLASSES = 200, 500, 12, 20


@dataclass(frozen=True)
class Case:
    """An image that G or T names wrongly, or on which they disagree.

    Attributes:
        row: of `ScoredImages`.
        image: its name.
        label, by_g, by_t: names of its class, and of those that G and T name.
        right: who is right: "G", "T", "neither" or "both".
        sure: how sure the one in question is of its class.
        couplet: number of the last couplet on its way through the key; None for a key of one leaf.
        pictured: whether the gallery has its picture.
    """

    row: int
    image: str
    label: str
    by_g: str
    by_t: str
    right: str
    sure: float
    couplet: int | None
    pictured: bool


@dataclass(frozen=True)
class Matrix:
    """Images by class and by the class that T names, for the classes with most errors.

    Attributes:
        names: of the classes that are shown.
        rows: for each of them, counts by named class, of other classes, and of all images.
        hidden: number of further classes with errors.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...], int, int], ...]
    hidden: int


def make(run: ReportRun) -> Section | None:
    """The mistakes of an evaluated run; None without its predictions."""
    if run.scored is None:
        return None
    scored, rows = run.scored, run.scored.rows("test")
    sure_t, couplets = sureness(run.named, scored), last_couplets(run.named, scored)
    sure_g = scored.outputs.max(1) if len(scored.labels) else np.zeros(0)
    right_g, right_t = scored.by_g == scored.labels, scored.by_t == scored.labels
    apart = rows[scored.by_g[rows] != scored.by_t[rows]]

    def cases(
        chosen: Int[np.ndarray, " n"], sure: Float[np.ndarray, " m"], most: int
    ) -> list[Case]:
        # Among equally sure ones, those with a picture come first.
        bare = [run.gallery is None or row not in run.gallery.pictures for row in chosen.tolist()]
        ordered = chosen[np.lexsort((np.array(bare, np.bool_), -sure[chosen]))][:most]
        return [_case(run, scored, int(row), sure, couplets) for row in ordered]

    shown = [
        (of, cases(rows[~right[rows]], sure, MOST_SHOWN), int((~right[rows]).sum()))
        for of, right, sure in (("T", right_t, sure_t), ("G", right_g, sure_g))
    ]
    pairs = confused_pairs(scored, rows, run.classes)
    html = render(
        "mistakes.html",
        images=len(rows),
        table=who_is_right(right_g[rows], right_t[rows]),
        apart=len(apart),
        apart_right=[int(right[apart].sum()) for right in (right_g, right_t)],
        disagreements=cases(apart, sure_g, MOST_LISTED),
        errors=shown,
        pairs=pairs[:MOST_PAIRS],
        all_pairs=len(pairs),
        matrix=matrix_of(scored, rows, run.classes),
        unread=() if run.gallery is None else run.gallery.unread,
        has_gallery=run.gallery is not None,
        count=count,
        cell_class=cell_class,
        percent=percent,
    )
    pictures = {case.row for _, found, _ in shown for case in found if case.pictured}
    return Section("mistakes", "Mistakes", html, {}, tuple(sorted(pictures)))


def who_is_right(g: Bool[np.ndarray, " n"], t: Bool[np.ndarray, " n"]) -> list[list[int]]:
    """Images by whether T is right (rows: yes, no) and G is right (columns: yes, no)."""
    return [[int((t == a) @ (g == b).astype(int)) for b in (True, False)] for a in (True, False)]


def sureness(named: NamedTree, scored: ScoredImages) -> Float[np.ndarray, " m"]:
    """Share of the class that T names in the values of the leaf that an image reaches."""
    values = np.clip(named.tree.value, 0, None)
    share = values.max(1) / np.maximum(values.sum(1), 1e-12)
    return share[scored.leaf]


def last_couplets(named: NamedTree, scored: ScoredImages) -> Int[np.ndarray, " m"]:
    """Number of the couplet whose lead ends the way of each image through the key; 0 for none."""
    tree, numbers = named.short.tree, number_couplets(named).number
    above = np.zeros(tree.n_nodes, np.int64)
    for node, number in numbers.items():
        above[[tree.left[node], tree.right[node]]] = number
    return above[tree.apply(scored.codes[:, list(named.kept)])]


def _case(
    run: ReportRun, scored: ScoredImages, row: int, sure: np.ndarray, couplets: np.ndarray
) -> Case:
    label, g, t = int(scored.labels[row]), int(scored.by_g[row]), int(scored.by_t[row])
    right = {(True, True): "both", (True, False): "G", (False, True): "T"}
    return Case(
        row=row,
        image=scored.names[row],
        label=run.classes[label],
        by_g=run.classes[g],
        by_t=run.classes[t],
        right=right.get((g == label, t == label), "neither"),
        sure=float(sure[row]),
        couplet=int(couplets[row]) or None,
        pictured=run.gallery is not None and row in run.gallery.pictures,
    )


def confused_pairs(
    scored: ScoredImages, rows: Int[np.ndarray, " n"], classes: tuple[str, ...]
) -> list[tuple[str, str, int, int, int]]:
    """Class, class named instead, images by T and by G, images of the class; most errors first."""
    by_t, by_g = (_counts(scored, rows, named) for named in (scored.by_t, scored.by_g))
    whole = by_t.sum(1)
    wrong = by_t + by_g
    np.fill_diagonal(wrong, 0)
    found = np.argwhere(wrong).tolist()
    found.sort(key=lambda pair: (-by_t[*pair], -by_g[*pair], pair))
    return [
        (classes[a], classes[b], int(by_t[a, b]), int(by_g[a, b]), int(whole[a])) for a, b in found
    ]


def matrix_of(
    scored: ScoredImages, rows: Int[np.ndarray, " n"], classes: tuple[str, ...]
) -> Matrix:
    """The confusion matrix of T, of the classes that take part in most errors."""
    counts = _counts(scored, rows, scored.by_t)
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    errors = wrong.sum(0) + wrong.sum(1)
    worst = np.argsort(-errors, kind="stable")[:MOST_CLASSES]
    shown = np.sort(worst[errors[worst] > 0])
    return Matrix(
        tuple(classes[label] for label in shown),
        tuple(
            (
                classes[label],
                tuple(counts[label, shown].tolist()),
                int(counts[label].sum() - counts[label, shown].sum()),
                int(counts[label].sum()),
            )
            for label in shown
        ),
        int((errors > 0).sum()) - len(shown),
    )


def cell_class(images: int, whole: int, right: bool) -> str:
    """Class of a cell of the matrix: blue where the tree is right; errors stand out at once."""
    if not images:
        return "empty"
    share = images / max(whole, 1)
    return heat(share) if right else f"less-{max(1, round(share * MORE))}"


def _counts(
    scored: ScoredImages, rows: Int[np.ndarray, " n"], named: Int[np.ndarray, " m"]
) -> Int[np.ndarray, "k k"]:
    """Images by class and named class."""
    k = len(scored.classes)
    places = scored.labels[rows].astype(np.int64) * k + named[rows]
    return np.bincount(places, minlength=k * k).reshape(k, k)
