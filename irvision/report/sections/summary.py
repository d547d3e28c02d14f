"""The summary: what was found, how good it is, why to believe it, and how to repeat it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import escape

from irtheory.runs.console import clock
from irvision.data.examples import PARTS
from irvision.report.rendering import render
from irvision.report.section import Section
from irvision.report.source import ReportRun
from irvision.report.words import (
    Estimate,
    as_content,
    as_number,
    between,
    count,
    decimal,
    estimate,
    percent,
)
from irvision.runs.epochs import column
from irvision.runs.repeat import repeat_command

PART_WORDS = {"train": "training"}
# How to read each row of the fidelity table, by its name in evaluation.json.
READ_AS = {
    "all codes": "all codes that training kept: what the network sees.",
    "codes T tests": "the codes that the tree tests: what a reader of the key uses.",
    "predicted class": "a reference: what the class that G names tells about attributes, and no "
    "more. Codes that only told classes apart would score about this.",
    "predicted class, one-hot": "the same without the complements “not this class”; of use for "
    "comparison with other work only.",
    "class oracle": "a bound: the best set of true classes for each attribute, chosen with the "
    "answers known. Where codes match an attribute better, they follow it inside classes.",
}


@dataclass(frozen=True)
class Figure:
    """A number of the first screen.

    Attributes:
        label: what it is.
        found: the number, with its interval.
        shown: the number as words; interval: its interval as words.
        sentence: how to read it.
        base: the value to compare with, or None; base_words: what that is.
    """

    label: str
    found: Estimate
    shown: str
    interval: str
    sentence: str
    base: float | None = None
    base_words: str = ""


def make(run: ReportRun) -> Section:
    """The summary of a run, evaluated or not."""
    evaluation = as_content(run.evaluation)
    figures = (*accuracies(run), *_recovery(evaluation))
    html = render(
        "summary.html",
        between=between,
        decimal=decimal,
        lead=_lead(run),
        figures=figures,
        evaluated=run.evaluation is not None,
        warnings=_warnings(run),
        fidelity=fidelity_rows(evaluation),
        fidelity_note=str(evaluation.get("fidelity_note") or ""),
        within_note=_within_note(evaluation),
        about=about_run(run),
        command=_options(repeat_command(run.settings)),
        settings=[(name, _word(value)) for name, value in run.settings.items()],
        machine=_machine(run.environment),
        left_out=evaluation.get("left_out") or 0,
    )
    return Section("summary", "Summary", html)


def _lead(run: ReportRun) -> list[str]:
    """Sentences that answer what was found and how good it is."""
    named, short = run.named, run.named.short.tree
    tests = count(len(named.tests), "question")
    found = (
        f"A key to {count(len(run.classes), 'class', 'classes')}: {tests} about "
        f"{count(len(short.used_features), 'code')} that the network sees in an image."
    )
    if run.evaluation is None:
        return [found, "How good it is was not measured on test images."]
    accuracy = estimate(run.evaluation.get("accuracy_t"))
    images = as_content(run.evaluation.get("accuracy_t")).get("images")
    majority = as_number(as_content(run.evaluation.get("majority")).get("accuracy"))
    good = f"It names the right class for {percent(accuracy.value)}"
    if (images := as_number(images)) is not None:
        good += f" of {count(int(images), 'test image')}"
    if majority is not None:
        good += f"; naming the most frequent class every time would for {percent(majority)}"
    return [found, good + ".", *_names(run)]


def _names(run: ReportRun) -> list[str]:
    """How many questions have a name, and from whom."""
    by = [test.named_by for test in run.named.tests.values()]
    if not by or (not run.attributes and "expert" not in by):
        return []
    whole, named = count(len(by), "question"), len(by) - by.count("code")
    if not named:
        return [f"None of its {whole} has a name: no attribute fits well enough."]
    kinds = {
        "expert": "given by an expert",
        "attribute": "found among attributes that training never saw",
    }
    told = [f"{by.count(kind)} {words}" for kind, words in kinds.items() if kind in by]
    if len(told) == 1:
        told = [words for kind, words in kinds.items() if kind in by]
    return [
        f"{named} of its {whole} {'has' if named == 1 else 'have'} a name, {' and '.join(told)}."
    ]


def accuracies(run: ReportRun) -> tuple[Figure, ...]:
    """Accuracies of T and G and their agreement: on test images, or else as training saw them."""
    found: Mapping[str, Any] = run.result if run.evaluation is None else run.evaluation
    majority = as_content(found.get("majority"))
    base = as_number(majority.get("accuracy"))
    always = f"always “{majority.get('name')}”: {percent(base)}" if base is not None else ""
    rows = (
        ("Accuracy of the key (T)", "accuracy_t", "Images that the tree names rightly.", True),
        ("Accuracy of the network (G)", "accuracy_g", "The same for the network.", True),
        ("Agreement of T and G", "agreement", "Images for which both name one class.", False),
    )
    figures = []
    for label, key, sentence, compared in rows:
        share = estimate(found.get(key))
        ends = between(share, percent)
        figure = Figure(label, share, percent(share.value), ends, sentence)
        if compared and base is not None:
            figure = Figure(label, share, figure.shown, ends, sentence, base, always)
        figures.append(figure)
    return tuple(figures)


def _recovery(evaluation: Mapping[str, Any]) -> list[Figure]:
    """Fidelity of the tested codes, and recovery inside classes, if there are attributes."""
    figures = []
    for row in fidelity_rows(evaluation):
        if row["name"] == "codes T tests" and row["score"].value is not None:
            null = row["null"]
            sentence = "How well tested codes and attributes match each other; 1 is perfect."
            words = "" if null is None else f"images shuffled: {decimal(null)}"
            score = row["score"]
            ends = between(score)
            shown = decimal(score.value)
            figures.append(
                Figure("Fidelity to attributes", score, shown, ends, sentence, null, words)
            )
    within = as_content(evaluation.get("within"))
    auc = estimate(within.get("auc"), within.get("auc_interval"))
    if auc.value is not None:
        sentence = (
            f"AUC over {count(int(as_number(within.get('pairs')) or 0), 'pair')} of a class and "
            "an attribute that varies in it: do codes follow it there?"
        )
        figures.append(
            Figure(
                "Recovery inside classes", auc, decimal(auc.value), between(auc), sentence,
                0.5, "codes that know only the class: 0.500",
            )
        )  # fmt: skip
    return figures


def fidelity_rows(evaluation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of the fidelity table: name, how to read it, score with interval, both ways, null."""
    rows = evaluation.get("fidelity")
    found = []
    for row in map(as_content, rows if isinstance(rows, Sequence) else ()):
        name = str(row.get("name"))
        found.append(
            {
                "name": name,
                "read_as": READ_AS.get(name, ""),
                "score": estimate(row.get("score"), row.get("interval")),
                "attributes": as_number(row.get("attributes_by_features")),
                "features": as_number(row.get("features_by_attributes")),
                "null": as_number(row.get("null_mean")),
                "adjusted": as_number(row.get("adjusted")),
            }
        )
    return found


def _within_note(evaluation: Mapping[str, Any]) -> str:
    within = as_content(evaluation.get("within"))
    if not within:
        note = evaluation.get("within_note")
        return f"Recovery inside classes was not measured: {note}." if note else ""
    excess = estimate(within.get("f1_excess"), within.get("f1_excess_interval"))
    low, high = (decimal(end, signed=True) for end in (excess.low, excess.high))
    ends = "" if excess.low is None else f" ({low} to {high})"
    return (
        f"Inside classes, the codes reach an F1 of {decimal(excess.value, signed=True)} above "
        f"chance{ends}, and an AUC of "
        f"{decimal(as_number(within.get('auc')))}, where 0.5 is chance."
    )


def _warnings(run: ReportRun) -> list[str]:
    found = (run.result if run.evaluation is None else run.evaluation).get("warnings")
    return [str(each) for each in found] if isinstance(found, list | tuple) else []


def about_run(run: ReportRun) -> list[tuple[str, str]]:
    """Data, method and cost of a run, as pairs of what and how much."""
    return [*_data(run), *_method(run), *_cost(run)]


def _data(run: ReportRun) -> list[tuple[str, str]]:
    counted = run.named.counts
    images = [
        f"{int(counted[part][0].sum()):,} {PART_WORDS.get(part, part)}"
        for part in PARTS
        if part in counted
    ]
    attributes = count(len(run.attributes), "attribute")
    return [
        ("Data set", str(run.settings.get("dataset", "not recorded"))),
        ("Images", ", ".join(images) or "not counted: the run is of an earlier release"),
        ("Classes", f"{len(run.classes):,}"),
        ("Attributes", attributes if run.attributes else "none to compare with"),
    ]


def _method(run: ReportRun) -> list[tuple[str, str]]:
    settings, named = run.settings, run.named
    words = f"{settings.get('method', '?')}, recipe {settings.get('recipe', '?')}"
    network = f"{settings.get('backbone', '?')}, weights {settings.get('weights', '?')}"
    side = settings.get("crop")
    bits = "" if named.bits is None else f" of {count(named.bits, 'bit')}"
    tree = (
        f"{named.tree.n_leaves} leaves, depth {named.tree.depth}, "
        f"{len(named.tree.used_features)} codes tested"
    )
    key = f"{named.short.tree.n_leaves} leaves, depth {named.short.tree.depth}"
    return [
        ("Method", words),
        ("Network", network + (f", crops of {side} px" if side else "")),
        ("Codes", f"{len(named.kept)} kept{bits}"),
        ("Tree", f"{tree}; as a key {key}"),
    ]


def _cost(run: ReportRun) -> list[tuple[str, str]]:
    """Time, epochs and device."""
    result, machine = run.result, run.environment
    epochs = f"{result.get('epochs', '?')}"
    if isinstance(kept := result.get("kept_epoch"), int):
        epochs += f"; the result is that of epoch {kept}"
    rows = [("Epochs", epochs)]
    seconds = column(run.metrics, "seconds") if run.metrics else np.zeros(0)
    if np.isfinite(seconds).any():
        rate = np.nanmean(column(run.metrics, "images_per_second"))
        speed = f", {rate:,.0f} images a second" if np.isfinite(rate) else ""
        rows.append(("Training took", f"{clock(float(np.nansum(seconds)))} (min:s){speed}"))
    device = [str(machine[key]) for key in ("device", "processor") if machine.get(key)]
    cores = machine.get("cores")
    rows.append(("Device", ", ".join(device) + (f", {cores} cores" if cores else "")))
    return rows


def _options(command: str) -> list[str]:
    """A command line parted before its options, for breaks between lines.

    Several spaces in the name of a folder count, so that they are kept.
    """
    parts = re.split(r" (?=--)", command)
    return [escape(part) if part.isprintable() else part for part in parts]


def _machine(environment: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, value in environment.items():
        if isinstance(value, Mapping):
            rows += [(str(key), _word(each)) for key, each in value.items()]
        else:
            rows.append(("state of the code" if name == "git" else str(name), _word(value)))
    return rows


def _word(value: Any) -> str:
    return "none" if value is None else str(value)
