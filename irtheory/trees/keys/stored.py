"""Keys as JSON, and back."""

from __future__ import annotations

import json
from typing import Any

from irtheory.trees.keys.key import Count, Couplet, End, Key, Lead

# Where runs keep their keys: as text, and as what `as_json` writes.
KEY, KEY_DATA = "key.txt", "key.json"
FORMAT, VERSION = "ira-key", 1
LETTERS = ("a", "b")


def as_json(key: Key) -> str:
    """The key as JSON.

    An object with format, version, title and couplets; of a key without couplets also the end.
    A couplet has its number, the lead that goes there ("from", or null) and two leads. A lead has
    a label, a statement, and either the number of a couplet or an end. An end has a name and
    counts, each with the samples that are counted, how many are right, and of how many; where
    nothing is counted there may be a note.
    """
    content: dict[str, Any] = {"format": FORMAT, "version": VERSION, "title": key.title}
    if key.only is not None:
        content["end"] = _end(key.only)
    content["couplets"] = [
        {
            "couplet": couplet.number,
            "from": couplet.parent.label if couplet.parent else None,
            "leads": [_lead(lead) for lead in couplet.leads],
        }
        for couplet in key.couplets
    ]
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _lead(lead: Lead) -> dict[str, Any]:
    goal = {"end": _end(lead.goal)} if isinstance(lead.goal, End) else {"couplet": lead.goal}
    return {"lead": lead.label, "statement": lead.statement, **goal}


def _end(end: End) -> dict[str, Any]:
    counts = [
        {"samples": count.samples, "right": count.right, "of": count.total} for count in end.counts
    ]
    return {"name": end.name, "counts": counts, **({"note": end.note} if end.note else {})}


def read_json(text: str) -> Key:
    """The key that ``as_json`` wrote.

    Raises:
        ValueError: something else; says what was expected.
    """
    try:
        content = json.loads(text)
        if (content["format"], content["version"]) != (FORMAT, VERSION):
            raise ValueError(f"expected {FORMAT} {VERSION}, found another format or version")
        title, written = _text(content["title"]), content["couplets"]
        if not written:
            return Key((), _read_end(content["end"]), title)
        return Key(_read_couplets(written), None, title)
    except (KeyError, TypeError, IndexError, RecursionError) as error:
        raise ValueError(f"expected a key, found something else ({error!r})") from error


def _read_couplets(written: list[Any]) -> tuple[Couplet, ...]:
    parents: dict[int, tuple[Lead, int]] = {}
    couplets = []
    for number, found in enumerate(written, start=1):
        if number > 1 and number not in parents:
            raise ValueError(f"expected a lead to couplet {number} before it, found none")
        parent, depth = parents.get(number, (None, 0))
        leads = [
            _read_lead(each, f"{number}{letter}")
            for each, letter in zip(found["leads"], LETTERS, strict=True)
        ]
        for lead in leads:
            if isinstance(lead.goal, int):
                if lead.goal in parents or not number < lead.goal <= len(written):
                    raise ValueError(f"lead {lead.label}: expected a later couplet of its own")
                parents[lead.goal] = lead, depth + 1
        couplets.append(Couplet(number, parent, (leads[0], leads[1]), depth))
    return tuple(couplets)


def _read_lead(found: Any, label: str) -> Lead:
    goal = _read_end(found["end"]) if "end" in found else found["couplet"]
    if not isinstance(goal, End) and type(goal) is not int:
        raise ValueError(f"lead {label}: expected a number, found {goal!r:.60}")
    return Lead(label, _text(found["statement"]), goal)


def _read_end(found: Any) -> End:
    counts = tuple(
        Count(int(each["right"]), int(each["of"]), _text(each["samples"]))
        for each in found["counts"]
    )
    return End(_text(found["name"]), counts, _text(found.get("note", "")))


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise ValueError(f"expected text, found {found!r:.60}")
    return found
