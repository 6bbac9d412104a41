"""VOResource records as a large registry holds them: mostly catalogues with a description of some hundred words.

Which words and how often follows Zipf's law, so that some words are in a third of all records and most in a few.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache
from itertools import accumulate

from lxml import etree

RI = "http://www.ivoa.net/xml/RegistryInterface/v1.0"
VS = "http://www.ivoa.net/xml/VODataService/v1.1"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
SEED = 42
VOCABULARY = 20_000
KNOWN = {"star": 5, "galaxy": 20, "catalogue": 30, "quasar": 150, "spiral": 400, "redshift": 700, "nebula": 2500}
"""Words by their rank."""

UCDS = ("pos.eq.ra", "pos.eq.dec", "phot.mag;em.opt.V", "phot.mag;em.IR.K", "src.redshift", "time.epoch", "meta.id")
BANDS = ("Radio", "Infrared", "Optical", "UV", "X-ray", "Gamma-ray")
SYLLABLES = ("ba", "de", "fi", "go", "hu", "ka", "le", "mi", "no", "pu", "ra", "se", "ti", "vo", "wu", "xa", "zi")


@cache
def _words() -> tuple[list[str], list[float]]:
    random_ = random.Random(SEED)
    made = {"".join(random_.choices(SYLLABLES, k=random_.randint(2, 5))) for _ in range(2 * VOCABULARY)}
    words = random_.sample(sorted(made), k=VOCABULARY)
    for word, rank in KNOWN.items():
        words[rank] = word
    return words, list(accumulate(1 / rank for rank in range(1, len(words) + 1)))


def _text(random_: random.Random, count: int) -> str:
    words, cumulated = _words()
    return " ".join(random_.choices(words, cum_weights=cumulated, k=count)).capitalize()


def _add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, name, {key.replace("_", "-"): value for key, value in attributes.items()})
    element.text = text
    return element


def records(count: int, start: int = 0) -> Iterator[tuple[str, etree._Element]]:
    """Yield records with their identifiers, always the same ones."""
    for number in range(start, start + count):
        yield f"ivo://big.example/catalogue/{number}", _record(number)


def _record(number: int) -> etree._Element:
    random_ = random.Random(number)
    root = etree.Element(f"{{{RI}}}Resource", nsmap={"ri": RI, "vs": VS, "xsi": XSI})
    root.set(f"{{{XSI}}}type", "vs:CatalogService")
    for name, value in (("status", "active"), ("created", "2020-01-01T00:00:00Z"), ("updated", "2024-01-01T00:00:00Z")):
        root.set(name, value)
    _add(root, "title", _text(random_, 9))
    _add(root, "shortName", f"big{number}")
    _add(root, "identifier", f"ivo://big.example/catalogue/{number}")
    curation = _add(root, "curation")
    _add(curation, "publisher", "Big data centre", ivo_id="ivo://big.example/org")
    for _ in range(random_.randint(1, 6)):
        _add(_add(curation, "creator"), "name", f"{_text(random_, 1)}, A.")
    _add(_add(curation, "contact"), "name", "Help desk")
    content = _add(root, "content")
    for _ in range(random_.randint(1, 6)):
        _add(content, "subject", _text(random_, 2))
    _add(content, "description", _text(random_, random_.randint(20, 250)))
    _add(content, "referenceURL", f"https://big.example/{number}")
    for standard in ("ConeSearch", "TAP#aux"):
        capability = _add(root, "capability", standardID=f"ivo://ivoa.net/std/{standard}")
        interface = _add(capability, "interface", role="std")
        interface.set(f"{{{XSI}}}type", "vs:ParamHTTP")
        _add(interface, "accessURL", f"https://big.example/{standard[:3]}/{number}?", use="base")
    coverage = _add(root, "coverage")
    first = random_.randrange(48_000)
    _add(coverage, "spatial", f"6/{first}-{first + random_.randrange(800)} 0/{random_.randrange(12)}")
    begin = random_.uniform(30_000, 60_000)
    _add(coverage, "temporal", f"{begin:.2f} {begin + 400:.2f}")
    _add(coverage, "waveband", random_.choice(BANDS))
    table = _add(_add(_add(root, "tableset"), "schema"), "table")
    _add(table, "name", f"big.t{number}")
    _add(table, "description", _text(random_, 12))
    for place in range(random_.randint(3, 12)):
        column = _add(table, "column")
        _add(column, "name", f"c{place}")
        _add(column, "description", _text(random_, 6))
        _add(column, "ucd", random_.choice(UCDS))
    return root
