from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from penstock.lake.fits.cards import Cards, read_cards
from penstock.lake.fits.walk import Unit, Walker
from tests.penstock.lake.fits.builders import TAN, header, image, sample, to_bytes


def cards_of(*hdus: Any) -> tuple[Cards, ...]:
    walker = Walker()
    walker.feed(to_bytes(*hdus))
    return read_cards(walker.finish())


def written(*cards: str) -> Cards:
    return read_cards((Unit(header="".join(card.ljust(80) for card in cards).encode("latin1"), data_bytes=0),))[0]


def test_a_compressed_image_is_shown_as_the_image_that_it_holds() -> None:
    shown = cards_of(fits.CompImageHDU(np.zeros((20, 30), np.int16), header(TAN)))[1]
    assert (shown.is_table, shown.axes, shown.text("CTYPE1")) == (False, (30, 20), "RA---TAN")


def test_long_strings_and_hierarchical_keywords_are_read() -> None:
    words = "a long sentence " * 10
    shown = cards_of(image({"OBJECT": words, "HIERARCH ESO OBS PROG ID": "60.A-9999"}))[0]
    assert shown.text("OBJECT") == words.strip()
    assert shown.text("ESO OBS PROG ID") == "60.A-9999"


@pytest.mark.filterwarnings("ignore:The following header keyword is invalid")
@pytest.mark.parametrize(
    ("card", "text", "number"),
    [
        ("KEY     = 'words  '", "words", None),
        ("KEY     = '       '", None, None),
        ("KEY     = '12.5'", "12.5", 12.5),
        ("KEY     = 12.5 / deg", "12.5", 12.5),
        ("KEY     = 1.5D3", "1500.0", 1500.0),
        ("KEY     =", None, None),
        ("KEY     = T", None, None),
        ("KEY     = (1, 2)", "(1+2j)", None),
        ("KEY     = 'NaN'", "NaN", None),
        ("KEY     = 1E999", "inf", None),
        ("KEY     = ' unfinished", None, None),
        ("KEY     = not a value", None, None),
        ("KEY     = 'tab\there \xe9\x00'", "tab here", None),
        ("KEY", None, None),
        ("OTHER   = 1", None, None),
    ],
)
def test_a_value_is_had_or_is_not_there(card: str, text: str | None, number: float | None) -> None:
    shown = written(card)
    assert shown.number("KEY") == number
    assert shown.text("KEY") == text or (text is None and shown.text("KEY") is not None and number is None)


def test_the_first_of_repeated_keywords_counts() -> None:
    assert written("KEY     = 1", "KEY     = 2").integer("KEY") == 1


def test_axis_types_are_bounded() -> None:
    shown = written("NAXIS   = 1000000000", "NAXIS1  = 3", "CTYPE1  = 'wave'")
    assert shown.axis_types == ((1, "WAVE"),)
    assert len(shown.axes) == 99


def test_headers_of_the_samples_are_those_that_astropy_reads() -> None:
    data = sample("wcs/tests/data/j94f05bgq_flt.fits")
    walker = Walker()
    walker.feed(data)
    with fits.open(__import__("io").BytesIO(data)) as hdus:
        for ours, theirs in zip(read_cards(walker.finish()), hdus, strict=True):
            for key in ("EXTNAME", "BITPIX", "NAXIS", "CRVAL1", "TELESCOP", "EXPTIME", "FILTER1"):
                assert ours.value(key) == theirs.header.get(key)
