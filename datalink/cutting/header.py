"""Headers of cut-outs: the coordinates of what is left, and where it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable

from astropy.io import fits

from datalink.cutting.axes import Box

Cards = tuple[tuple[str, str, str], ...]
"""Keyword, value and comment of some cards."""

_OF_DATA = re.compile(
    r"BSCALE|BZERO|BLANK|BUNIT|DATAMIN|DATAMAX|WCSAXES[A-Z]?|WCSNAME[A-Z]?|L[OA][NT]POLE[A-Z]?"
    r"|(?:CTYPE|CRPIX|CRVAL|CDELT|CUNIT|CROTA)[0-9]+[A-Z]?|(?:PC|CD|PV|PS)[0-9]+_[0-9]+[A-Z]?|LTV[0-9]|LTM[0-9]_[0-9]"
    r"|(?:A|B|AP|BP)_(?:ORDER|DMAX|[0-9]+_[0-9]+)"
)
_STALE = ("CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM")
_DESCRIBING = re.compile(r"(?:CRPIX|CRVAL|CTYPE|CDELT)([0-9]{1,3})([A-Z]?)")
_KIND = re.compile(r"CTYPE([0-9]{1,3})([A-Z]?)")
_DISTORTED = {"CPDIS": ("DP", "WCSDVARR"), "D2IMDIS": ("D2IM", "D2IMARR")}
LOOKUP_TABLES = frozenset(table for _, table in _DISTORTED.values())
"""The names of extensions that hold distortions, not images."""


def cut_header(header: fits.Header, box: Box) -> fits.Header:
    """Return the header of a box of an image: every description of its coordinates leads to where it did before.

    CD and PC matrices, and polynomials such as SIP and TPV, are relative to the reference pixel, and stay.
    """
    cut = header.copy()
    described = {(int(found[1]), found[2]) for key in cut if (found := _DESCRIBING.fullmatch(key))}
    for axis, (low, high) in enumerate(box, start=1):
        cut[f"NAXIS{axis}"] = high - low
        for letter in sorted(letter for known, letter in described if known == axis):
            cut[f"CRPIX{axis}{letter}"] = cut.get(f"CRPIX{axis}{letter}", 0.0) - low
        if f"LTV{axis}" in cut:  # of IRAF: where the pixel 0 of the original is
            cut[f"LTV{axis}"] -= low
        if f"CNPIX{axis}" in cut:  # of the Digitized Sky Survey: where the plate begins
            cut[f"CNPIX{axis}"] += low
    for key in _STALE:
        cut.remove(key, ignore_missing=True, remove_all=True)
    return cut


def section_of(box: Box) -> str:
    """Return a box in the notation of IRAF and CFITSIO: ``[101:200,1:50]``."""
    return f"[{','.join(f'{low + 1}:{high}' for low, high in box)}]"


def add_provenance(header: fits.Header, cards: Cards, history: Iterable[str]) -> None:
    """Say where a file comes from."""
    for key, value, comment in cards:
        header.set(key, value, comment if len(value) < 40 else None)
    for line in history:
        header.add_history(line)


def without_image(header: fits.Header) -> fits.Header:
    """Return a primary header without the image that it had, and without what it said of it."""
    kept = fits.Header([card for card in header.cards if not _OF_DATA.fullmatch(card.keyword)])
    for key in [key for key in kept if re.fullmatch(r"NAXIS[0-9]+", key)]:
        kept.remove(key)
    for key in _STALE:
        kept.remove(key, ignore_missing=True)
    kept["BITPIX"], kept["NAXIS"] = 8, 0
    return kept


def lookup_tables(header: fits.Header) -> set[tuple[str, int]]:
    """Return name and version of the extensions with the distortions of an image (as Hubble's images have them)."""
    wanted = set()
    for kind, (prefix, table) in _DISTORTED.items():
        for axis in (1, 2):
            version = header.get(f"{prefix}{axis}.EXTVER")
            if f"{kind}{axis}" in header and version is not None:
                wanted.add((table, int(version)))
    return wanted


def coordinate_tables(header: fits.Header) -> set[tuple[str, int]]:
    """Return name and version of the extensions that hold coordinates by table, ``-TAB`` (WCS paper III s6)."""
    wanted = set()
    for key, kind in header.items():
        axis = _KIND.fullmatch(key)
        if axis and str(kind).endswith("-TAB"):
            name, version = header.get(f"PS{axis[1]}_0{axis[2]}", ""), header.get(f"PV{axis[1]}_1{axis[2]}", 1)
            wanted.add((str(name).upper(), int(version)))
    return wanted


def move_lookup_table(header: fits.Header, box: Box) -> fits.Header:
    """Return the header of a table of distortions for a box of the image that it is about."""
    moved = header.copy()
    for axis, (low, _) in enumerate(box[:2], start=1):
        moved[f"CRVAL{axis}"] = moved.get(f"CRVAL{axis}", 0.0) - low
    for key in _STALE:
        moved.remove(key, ignore_missing=True)
    return moved
