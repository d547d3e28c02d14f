"""README.md of a run: a card that says what the model is, how good, and what it is not for.

Loads no torch: the card is written from the files of the run, after training and again after
every evaluation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from irtheory.runs.files import write_text
from irvision.runs.named_tree import NamedTree, read_named_tree
from irvision.runs.names import CARD, EVALUATION
from irvision.runs.reader import read_evaluation, read_result, read_settings_content

# The first line of a card; a README.md with another first line is the user's own.
MARK = "<!-- Written by ira from the files of this run; replaced by the next evaluation. -->"
MOST_CLASSES = 20
# Characters that mean something in Markdown.
SPECIAL = "\\`*_{}[]<>()#+-.!|~&"


def write_card(run: Path) -> Path | None:
    """Write the card of a finished run; None, and no change, if its README.md is the user's own.

    Raises:
        InputError: a file of the run is damaged.
    """
    path = run / CARD
    if path.exists():
        try:
            with path.open(encoding="utf-8") as stream:
                own = stream.readline(len(MARK) + 2).strip() != MARK
        except (OSError, UnicodeDecodeError):
            own = True
        if own:
            return None
    evaluation = read_evaluation(run) if (run / EVALUATION).is_file() else None
    named, settings, result = read_named_tree(run), read_settings_content(run), read_result(run)
    lines = [MARK, ""]
    for section in (_title, _data, _method, _figures, _use, _limits):
        lines += [*section(named, settings, result, evaluation), ""]
    write_text(path, "\n".join(lines))
    return path


Content = Mapping[str, Any]


def _title(named: NamedTree, settings: Content, result: Content, _: Content | None) -> list[str]:
    data = plain(Path(str(settings.get("dataset", "images"))).name)
    return [
        f"# Key to {len(named.classes)} classes of {data}",
        "",
        f"A network that sees {len(named.kept)} discrete codes in an image, and a decision tree "
        f"that names the class from {len(named.short.tree.used_features)} of them. Trained by "
        "intersection regularisation with class labels alone; attributes were never seen.",
    ]


def _data(named: NamedTree, settings: Content, result: Content, _: Content | None) -> list[str]:
    counted = ", ".join(
        f"{int(found[0].sum())} {part}" for part, found in sorted(named.counts.items())
    )
    shown = [plain(name) for name in named.classes[:MOST_CLASSES]]
    more = len(named.classes) - len(shown)
    return [
        "## Data",
        "",
        f"* Images: {counted or 'not counted'} ({plain(str(settings.get('dataset', '?')))})",
        f"* Classes ({len(named.classes)}): {', '.join(shown)}{f' and {more} more' * (more > 0)}",
        f"* Digest of the samples: `{str(result.get('samples', '?'))[:64]}`",
    ]


def _method(named: NamedTree, settings: Content, result: Content, _: Content | None) -> list[str]:
    names = ("method", "recipe", "backbone", "weights", "crop", "dim", "bits", "depth", "seed")
    told = ", ".join(f"{name} {plain(str(settings[name]))}" for name in names if name in settings)
    return [
        "## Method",
        "",
        f"{told}; {result.get('epochs', '?')} epochs. All settings are in `config.yaml`, versions "
        "and hardware in `environment.json`.",
    ]


def _figures(
    named: NamedTree, settings: Content, result: Content, evaluation: Content | None
) -> list[str]:
    lines = ["## Figures", ""]
    if evaluation is None:
        rows = [(name, result.get(key)) for name, key in _ROWS]
        lines.append(
            f"On {result.get('images', '?')} {plain(str(result.get('part', '?')))} images, which "
            "training or its choices have seen; `ira evaluate` scores test images."
        )
    else:
        rows = [(name, evaluation.get(key)) for name, key in _ROWS]
        lines.append("On test images, with 95% intervals.")
    lines += ["", "| figure | value |", "|---|---|"]
    lines += [f"| {name} | {_share(value)} |" for name, value in rows]
    if evaluation is not None:
        majority = evaluation.get("majority", {})
        lines.append(f"| naming the most frequent class | {_share(majority.get('accuracy'))} |")
        for row in evaluation.get("fidelity", []):
            if row.get("score") is None:
                continue
            lines.append(
                f"| fidelity to attributes, {plain(str(row.get('name')))} "
                f"(chance {_share(row.get('null_mean'))}) | {_share(row.get('score'))} |"
            )
    return lines


_ROWS = (
    ("accuracy of the tree", "accuracy_t"),
    ("accuracy of the network", "accuracy_g"),
    ("images for which both name one class", "agreement"),
)


def _use(named: NamedTree, settings: Content, result: Content, _: Content | None) -> list[str]:
    return [
        "## Use",
        "",
        "```python",
        "import irvision",
        "",
        'model = irvision.load("FOLDER OF THIS FILE")',
        'print(model.predict(["image.jpg"]))',
        "```",
        "",
        "`ira predict`, `ira explain` and `ira key` take the folder too; `key.txt` is the tree as "
        "a dichotomous key.",
    ]


def _limits(
    named: NamedTree, settings: Content, result: Content, evaluation: Content | None
) -> list[str]:
    warnings: Sequence[object] = (evaluation or result).get("warnings", ())
    by_name = {"expert": 0, "attribute": 0, "code": 0}
    for test in named.tests.values():
        by_name[test.named_by] += 1
    lines = [
        "## Limits",
        "",
        "* The model names one of its classes for every image, also for one that shows none of "
        "them.",
        f"* Of {len(named.tests)} tests in the key, {by_name['expert']} are named by an expert, "
        f"{by_name['attribute']} by the attribute that they match best among the images there, and "
        f"{by_name['code']} have no name. A match is no proof that the code means the attribute.",
        "* Figures hold for images like those of the data set: other cameras, seasons or "
        "backgrounds can change them.",
    ]
    return lines + [f"* {plain(str(sentence))}" for sentence in warnings]


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    visible = "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in text)
    return "".join(f"\\{each}" if each in SPECIAL else each for each in visible)


def _share(value: Any) -> str:
    """A share, or a share with its interval."""
    if isinstance(value, Mapping):
        low, high = value.get("interval") or (None, None)
        between = "" if low is None else f" ({_share(low)} … {_share(high)})"
        return _share(value.get("value")) + between
    return f"{value:.3f}" if isinstance(value, int | float) else "–"
