"""Images whose pixels are all different, and cuts of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from datalink.core.soda import Cut, read_single
from datalink.cutting.pool import judged
from datalink.cutting.wire import Answer
from datalink.cutting.work import carry_out
from datalink.ports import Order
from penstock.dali.params import Parameters
from penstock.lake.fits.cards import Cards, read_cards
from penstock.lake.fits.walk import Unit

DID = "ivo://penstock.example/lake?demo:a.fits"
SIZES = (120, 90)  # of the first and the second axis


def sky(
    projection: str = "TAN",
    at: tuple[float, float] = (150.0, 20.0),
    axes: tuple[str, str] = ("RA--", "DEC-"),
    **more: Any,
) -> dict[str, Any]:
    """Return the cards of an image with a slight turn, whose middle is at a position in degrees."""
    return {
        "CTYPE1": f"{axes[0]}-{projection}", "CTYPE2": f"{axes[1]}-{projection}", "CRVAL1": at[0], "CRVAL2": at[1],
        "CRPIX1": 60.0, "CRPIX2": 40.0, "CD1_1": -0.0098, "CD1_2": 0.002, "CD2_1": 0.002, "CD2_2": 0.0098, **more,
    }  # fmt: skip


def header(cards: Mapping[str, Any], sizes: tuple[int, ...] = SIZES, bitpix: int = -32) -> fits.Header:
    made = fits.Header({"SIMPLE": True, "BITPIX": bitpix, "NAXIS": len(sizes)})
    for axis, size in enumerate(sizes, start=1):
        made[f"NAXIS{axis}"] = size
    for key, value in cards.items():
        made[key] = value
    return made


def cards_of(given: Mapping[str, Any], sizes: tuple[int, ...] = SIZES) -> Cards:
    unit = Unit(header=header(given, sizes).tostring().encode(), data_bytes=1)
    return read_cards((unit,))[0]


def counted(sizes: tuple[int, ...] = SIZES, kind: str = "f4") -> np.ndarray[Any, Any]:
    return np.arange(np.prod(sizes)).reshape(sizes[::-1]).astype(kind)


def primary(given: Mapping[str, Any], sizes: tuple[int, ...] = SIZES, kind: str = "f4") -> fits.PrimaryHDU:
    return fits.PrimaryHDU(counted(sizes, kind), header(given, sizes))


def extension(given: Mapping[str, Any], sizes: tuple[int, ...] = SIZES, kind: str = "f4") -> fits.ImageHDU:
    return fits.ImageHDU(counted(sizes, kind), fits.Header(list(given.items())))


def written(path: Path, *hdus: Any) -> Path:
    first = [] if isinstance(hdus[0], fits.PrimaryHDU) else [fits.PrimaryHDU()]
    fits.HDUList([*first, *hdus]).writeto(path, output_verify="ignore")
    return path


def cut(*given: tuple[str, str], **single: str) -> Cut:
    return read_single(Parameters([("ID", "demo:a.fits"), *given, *single.items()]))[1]


def order(source: Path, wanted: Cut, *, max_bytes: int = 2**30) -> Order:
    return Order(source=source, target=source.parent / f"{source.name}.cut", cut=wanted, did=DID, max_bytes=max_bytes)


def made(source: Path, wanted: Cut, **more: Any) -> tuple[Answer, Path]:
    """Cut in this process."""
    given = order(source, wanted, **more)
    return carry_out(given), given.target


class CutterHere:
    """A `datalink.ports.Cutter` that cuts in this process."""

    async def cut(self, order: Order, *, time_limit_s: float) -> bool:
        return judged(order, await asyncio.to_thread(carry_out, order))

    async def close(self) -> None:
        pass
