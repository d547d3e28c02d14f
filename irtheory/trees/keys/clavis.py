"""Keys as Clavis, the JSON of Artsdatabanken for identification keys.

Each couplet is a character with two states, which is asked once the lead that goes there holds.
Each end is a taxon with one statement for every lead on the way to it. A class with several ends
is a taxon with one child for each of them, so that each has the statements of its own way.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from irtheory.trees.keys.key import End, Key, Lead
from irtheory.trees.keys.markdown import as_paragraph

SCHEMA = "https://raw.githubusercontent.com/Artsdatabanken/Clavis/main/Clavis.json"
# The format wants a licence; whoever publishes the key states theirs instead.
UNDETERMINED = "https://rightsstatements.org/vocab/UND/1.0/"
AUTHOR = {"id": "person:ira", "name": "ira (grown from samples)"}


def as_clavis(key: Key, created: datetime) -> str:
    """The key as a Clavis document.

    Args:
        key: the key.
        created: when the key was made.
    """
    ways = dict(_ways(key))
    taxa, taxon_of = _taxa(ways)
    content = {
        "$schema": SCHEMA,
        "title": key.title or "Key",
        "language": "en",
        "license": UNDETERMINED,
        "creator": AUTHOR["id"],
        "lastModified": f"{created.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "identifier": str(uuid.uuid5(uuid.NAMESPACE_URL, repr((SCHEMA, key)))),
        "taxa": taxa,
        "characters": [_character(key, number) for number in range(1, len(key.couplets) + 1)],
        "statements": list(_statements(ways, taxon_of)),
        "persons": [AUTHOR],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _ways(key: Key) -> Iterator[tuple[str, tuple[End, tuple[Lead, ...]]]]:
    """By the label of its last lead, every end with the leads on the way to it."""
    if key.only is not None:
        yield "only", (key.only, ())
    before: dict[int, tuple[Lead, ...]] = {1: ()}
    for couplet in key.couplets:
        for lead in couplet.leads:
            way = (*before[couplet.number], lead)
            if isinstance(lead.goal, End):
                yield lead.label, (lead.goal, way)
            else:
                before[lead.goal] = way


def _taxa(
    ways: dict[str, tuple[End, tuple[Lead, ...]]],
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The taxa, and which of them each end is."""
    by_name: dict[str, list[str]] = {}
    for label, (end, _) in ways.items():
        by_name.setdefault(end.name, []).append(label)
    taxa, taxon_of = [], {}
    for number, (name, labels) in enumerate(by_name.items(), start=1):
        own = f"taxon:t{number}"
        # A label is needed where there is no scientific name, which a class need not be.
        taxon: dict[str, Any] = {"id": own, "vernacularName": name, "label": ""}
        taxon_of[labels[0]] = own
        if len(labels) > 1:
            taxon_of |= {label: f"{own}_{label}" for label in labels}
            # Which of its ends it is does not matter to the reader of a key.
            taxon["isEndPoint"] = True
            taxon["children"] = [
                {"id": taxon_of[label], "vernacularName": name, "label": f"lead {label}",
                 **_about(ways[label][0])}
                for label in labels
            ]  # fmt: skip
        else:
            taxon |= _about(ways[labels[0]][0])
        taxa.append(taxon)
    return taxa, taxon_of


def _about(end: End) -> dict[str, str]:
    return {"description": as_paragraph(end.about.lstrip(": "))} if end.about else {}


def _character(key: Key, number: int) -> dict[str, Any]:
    couplet = key.couplets[number - 1]
    first, second = couplet.leads
    asked = {"logicalPremise": _state(couplet.parent)} if couplet.parent else {}
    return {
        "id": f"character:c{number}",
        "title": f"{number}. {first.statement}, or {second.statement}?",
        "type": "exclusive",
        **asked,
        "states": [{"id": _state(lead), "title": lead.statement} for lead in couplet.leads],
    }


def _state(lead: Lead) -> str:
    return f"state:s{lead.label}"


def _statements(
    ways: dict[str, tuple[End, tuple[Lead, ...]]], taxon_of: dict[str, str]
) -> Iterator[dict[str, Any]]:
    for label, (_, way) in ways.items():
        for lead in way:
            yield {
                "id": f"statement:{label}_{lead.label}",
                "taxon": taxon_of[label],
                "character": f"character:c{lead.label[:-1]}",
                "value": _state(lead),
                "frequency": 1,
            }
