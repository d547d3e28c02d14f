from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from irvision.data.datasets.splits import Draw
from irvision.data.examples import Examples, samples_digest
from irvision.data.pixels.prints import PRINT
from irvision.data.together import keep_together
from irvision.settings.data import DataOptions

COUNT = 60


class Named:
    def __len__(self) -> int:
        return COUNT

    def name(self, index: int) -> str:
        return f"/set/{index:02d}.png"


def drawn(groups: tuple[str, ...] | None = None, test: np.ndarray | None = None) -> Examples:
    labels = np.arange(COUNT) % 3
    names = groups or tuple(f"{index:02d}" for index in range(COUNT))
    draw = Draw(names, test, DataOptions())
    return Examples("set", ("a", "b", "c"), labels, draw.parts(labels), Named(), (), draw)


def prints(*equal: tuple[int, ...], spread: float = 50) -> np.ndarray:
    made = np.zeros(COUNT, PRINT)
    made["digest"][:, 0] = np.arange(COUNT)
    made["spread"] = spread
    for rows in equal:
        made["digest"][list(rows)] = made["digest"][rows[0]]
    return made


def test_without_equal_pictures_nothing_changes() -> None:
    examples = drawn()
    assert keep_together(examples, prints(), []) is examples


def across(examples: Examples) -> tuple[int, int]:
    """A training and a test sample."""
    return int(examples.rows("train")[0]), int(examples.rows("test")[0])


@pytest.mark.parametrize("seed", range(3))
def test_equal_pictures_share_a_part(seed: int) -> None:
    examples = drawn()
    rng = np.random.default_rng(seed)
    pairs = [tuple(map(int, pair)) for pair in rng.choice(COUNT, (8, 2), replace=False)]
    after = keep_together(examples, prints(*pairs), [])
    assert all(after.parts[one] == after.parts[other] for one, other in pairs)
    assert samples_digest(after) != samples_digest(examples)
    for part in ("train", "validation", "test"):
        assert abs(len(after.rows(part)) - len(examples.rows(part))) <= 4
    again = keep_together(drawn(), prints(*(pair[::-1] for pair in pairs)), [])
    assert np.array_equal(after.parts, again.parts)


def test_groups_are_joined_through_their_members() -> None:
    groups = tuple(f"patient {index // 4}" for index in range(COUNT))
    examples = drawn(groups)
    after = keep_together(examples, prints((0, 4), (5, 8)), [])
    assert len({*after.parts[:12].tolist()}) == 1
    # All of them are of one patient already.
    assert keep_together(examples, prints((0, 1), (8, 9)), []) is examples


def test_what_shows_nothing_or_was_not_read_is_not_joined() -> None:
    examples = drawn()
    pair = across(examples)
    assert keep_together(examples, prints(pair, spread=0.5), []) is examples
    assert keep_together(examples, prints(pair), [pair[0]]) is examples
    assert keep_together(examples, prints(pair), []) is not examples


def test_given_parts_stay_as_they_are() -> None:
    examples = drawn()
    given = replace(examples, draw=None)
    assert keep_together(given, prints(across(examples)), []) is given
    test = np.arange(COUNT) % 10 < 3
    half = drawn(test=test)
    held, tested = int(half.rows("validation")[0]), int(half.rows("test")[0])
    trained = int(half.rows("train")[0])
    after = keep_together(half, prints((held, tested), (held, trained)), [])
    assert (after.rows("test") == np.flatnonzero(test)).all()
    assert after.parts[held] == after.parts[trained]
