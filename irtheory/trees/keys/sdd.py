"""Keys as SDD 1.1, the XML of the Taxonomic Databases Working Group for descriptive data.

The parts of the standard that are used: Datasets, with a Dataset of TaxonNames and one
IdentificationKey, whose Leads name their parent lead and either go on or name a taxon.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from xml.sax.saxutils import escape, quoteattr

from irtheory.trees.keys.key import End, Key, Lead

NAMESPACE = "http://rs.tdwg.org/UBIF/2006/"
# Longest label and statement of the standard.
LABEL, STATEMENT = 255, 64000
ALWAYS = "always"


def as_sdd(key: Key, version: str, created: datetime) -> str:
    """The key as an SDD document.

    Args:
        key: the key.
        version: of the program.
        created: when the key was made.
    """
    title = key.title or "Key"
    taxa = {name: f"t{number}" for number, name in enumerate(key.names, start=1)}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<Datasets xmlns="{NAMESPACE}">',
        f'  <TechnicalMetadata created="{created.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}">',
        f'    <Generator name="ira" version={quoteattr(_text(version, LABEL))}/>',
        "  </TechnicalMetadata>",
        '  <Dataset xml:lang="en">',
        *_representation(title, "    "),
        "    <TaxonNames>",
        *(line for name, taxon in taxa.items() for line in _taxon(key, name, taxon)),
        "    </TaxonNames>",
        "    <IdentificationKeys>",
        '      <IdentificationKey id="k1">',
        *_representation(title, "        "),
        "        <Leads>",
        *_leads(key, taxa),
        "        </Leads>",
        "      </IdentificationKey>",
        "    </IdentificationKeys>",
        "  </Dataset>",
        "</Datasets>",
    ]
    return "\n".join(lines) + "\n"


def _representation(label: str, indent: str, detail: str = "") -> list[str]:
    """A label, cut where it is too long, and a detail, which then begins with the whole label."""
    if len(label) > LABEL:
        label, detail = f"{label[: LABEL - 1]}…", f"{label}; {detail}" if detail else label
    lines = [f"{indent}<Representation>", f"{indent}  <Label>{_escaped(label, LABEL)}</Label>"]
    if detail:
        lines.append(f"{indent}  <Detail>{_escaped(detail, STATEMENT)}</Detail>")
    return [*lines, f"{indent}</Representation>"]


def _taxon(key: Key, name: str, taxon: str) -> Iterator[str]:
    ends = [(lead.label, lead.goal) for lead in key.leads if isinstance(lead.goal, End)]
    found = [f"lead {label}{e.about}" for label, e in ends if e.name == name and e.about]
    if key.only is not None:
        found = [key.only.text]
    yield f'      <TaxonName id="{taxon}">'
    yield from _representation(name, "        ", "; ".join(found))
    yield "      </TaxonName>"


def _leads(key: Key, taxa: dict[str, str]) -> Iterator[str]:
    if key.only is not None:
        yield from _lead(Lead("1a", ALWAYS, key.only), None, taxa)
    for couplet in key.couplets:
        for lead in couplet.leads:
            yield from _lead(lead, couplet.parent, taxa)


def _lead(lead: Lead, parent: Lead | None, taxa: dict[str, str]) -> Iterator[str]:
    yield f'          <Lead id="L{lead.label}">'
    if parent is not None:
        yield f'            <Parent ref="L{parent.label}"/>'
    yield f"            <Statement>{_escaped(lead.statement, STATEMENT)}</Statement>"
    if isinstance(lead.goal, End):
        yield f'            <TaxonName ref="{taxa[lead.goal.name]}"/>'
    yield "          </Lead>"


def _escaped(text: str, most: int) -> str:
    return escape(_text(text, most))


def _text(text: str, most: int) -> str:
    """Text of 1 … `most` characters that XML may hold; two more code points are none in XML."""
    held = text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
    return (held if len(held) <= most else f"{held[: most - 1]}…").strip() or "–"
