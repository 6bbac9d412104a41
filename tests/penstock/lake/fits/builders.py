"""FITS files made for tests, and what is derived from them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
from astropy.io import fits

from penstock.lake.fits.describe import describe
from penstock.lake.fits.walk import Walker
from penstock.lake.record import Observation

TAN = {
    "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.0, "CRVAL2": 20.0, "CRPIX1": 5.5, "CRPIX2": 5.5,
    "CDELT1": -0.01, "CDELT2": 0.01,
}  # fmt: skip


def header(cards: Mapping[str, Any]) -> fits.Header:
    made = fits.Header()
    for key, value in cards.items():
        made[key] = value
    return made


def image(cards: Mapping[str, Any] = TAN, shape: tuple[int, ...] = (10, 10)) -> fits.PrimaryHDU:
    return fits.PrimaryHDU(np.zeros(shape, np.int16), header(cards))


def extension(cards: Mapping[str, Any], shape: tuple[int, ...] = (10, 10)) -> fits.ImageHDU:
    return fits.ImageHDU(np.zeros(shape, np.int16), header(cards))


def table(columns: Mapping[str, str], cards: Mapping[str, Any] | None = None, rows: int = 3) -> fits.BinTableHDU:
    made = [
        fits.Column(name=name, format="D", unit=unit or None, array=np.zeros(rows)) for name, unit in columns.items()
    ]
    return fits.BinTableHDU.from_columns(made, header=header(cards or {}))


def to_bytes(*hdus: Any) -> bytes:
    buffer = io.BytesIO()
    first = [] if isinstance(hdus[0], fits.PrimaryHDU) else [fits.PrimaryHDU()]
    fits.HDUList([*first, *hdus]).writeto(buffer, output_verify="ignore")
    return buffer.getvalue()


def observe(*hdus: Any) -> Observation:
    return observe_bytes(to_bytes(*hdus))


def observe_bytes(data: bytes) -> Observation:
    return describe_bytes(data)[0]


def describe_bytes(data: bytes) -> tuple[Observation, tuple[str, ...]]:
    walker = Walker()
    walker.feed(data)
    return describe(walker.finish())


def sample(name: str) -> bytes:
    """Return a FITS file that comes with astropy."""
    return files("astropy").joinpath(name).read_bytes()
