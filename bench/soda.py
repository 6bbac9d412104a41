"""Cut-outs: small regions of one image by SODA, beside astropy in a process of its own; memory over large cubes.

`SODA_CUTS` in the environment sets the number of cut-outs, 200 if unset.
"""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import requests
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.wcs import WCS
from rich.console import Console
from rich.table import Table

from tests.support.server import environment, serve

CUTS = int(os.environ.get("SODA_CUTS", "200"))
SIDE, RADIUS_DEG = 4096, 0.01
CUBES_GB = (0.1, 1.0, 10.0)
CLIENTS = (1, 4)
Place = tuple[float, float]
_MEASURED = """
import re, sys
from pathlib import Path
from datalink.core.soda import Cut, parse_pixels
from datalink.cutting.work import carry_out
from datalink.ports import Order
source, target, pixels = sys.argv[1:]
def most_mb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before = most_mb()
cut = Cut(pixels=parse_pixels("PIXELS", pixels))
order = Order(source=Path(source), target=Path(target), cut=cut, did="ivo://x/y", max_bytes=10**11)
assert carry_out(order).outcome == "DONE"
print(before, most_mb())
"""


def _image(path: Path) -> None:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150, 20], [SIDE / 2, SIDE / 2]
    wcs.wcs.cdelt = [-1 / 3600, 1 / 3600]
    fits.PrimaryHDU(np.zeros((SIDE, SIDE), "f4"), wcs.to_header()).writeto(path)


def _places() -> list[Place]:
    chance = random.Random(1)
    return [(chance.uniform(149.6, 150.4), chance.uniform(19.6, 20.4)) for _ in range(CUTS)]


def _by_astropy(path: Path, place: Place) -> None:
    with fits.open(path) as opened:
        header = opened[0].header
        centre = SkyCoord(place[0] * u.deg, place[1] * u.deg)
        cut = Cutout2D(opened[0].data, centre, 2 * RADIUS_DEG * u.deg, wcs=WCS(header))
        fits.PrimaryHDU(cut.data, cut.wcs.to_header()).writeto(io.BytesIO())


def _by_soda(session: requests.Session, base: str, place: Place) -> None:
    given = {"ID": "bench:image.fits", "CIRCLE": f"{place[0]} {place[1]} {RADIUS_DEG}"}
    answer = session.get(f"{base}/datalink/soda/sync", params=given, timeout=60)
    answer.raise_for_status()
    assert answer.content.startswith(b"SIMPLE  =")


def _rate(do: Callable[[Place], None], places: Sequence[Place], clients: int) -> float:
    """Return how many are made a second, after some to warm up."""
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(do, places[: 4 * clients]))
        begun = time.perf_counter()
        list(pool.map(do, places))
        return len(places) / (time.perf_counter() - begun)


def _cube(path: Path, size_gb: float) -> int:
    """Write a cube of which only the header takes room on the disk; return how many planes it has."""
    planes = round(size_gb * 1e9 / (4 * SIDE * SIDE))
    header = fits.Header({"SIMPLE": True, "BITPIX": -32, "NAXIS": 3})
    header.update({"NAXIS1": SIDE, "NAXIS2": SIDE, "NAXIS3": planes})
    head = header.tostring().encode()
    path.write_bytes(head)
    os.truncate(path, len(head) + -(-4 * SIDE * SIDE * planes // 2880) * 2880)
    return planes


def _speed(table: Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree, data = Path(folder) / "tree", Path(folder) / "data"
        tree.mkdir()
        _image(tree / "image.fits")
        command = [sys.executable, "-m", "penstock", "lake", "add", str(tree), "--collection", "bench"]
        subprocess.run([*command, "--data", str(data)], check=True, capture_output=True, env=environment())
        places = _places()
        floor = _rate(lambda place: _by_astropy(tree / "image.fits", place), places, 1)
        table.add_row("astropy, Cutout2D", "1", f"{floor:.0f}", "1")
        with serve(data) as server:
            for clients in CLIENTS:
                with requests.Session() as session:
                    rate = _rate(partial(_by_soda, session, server.base), places, clients)
                table.add_row("SODA {sync}", str(clients), f"{rate:.0f}", f"{rate / floor:.2f}")


def _memory(table: Table) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for size_gb in CUBES_GB:
            source, target = Path(folder) / "cube.fits", Path(folder) / "cut.fits"
            planes = _cube(source, size_gb)
            pixels = f"2001 2032 2001 2032 1 {planes}"
            command = [sys.executable, "-c", _MEASURED, str(source), str(target), pixels]
            begun = time.perf_counter()
            printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment()).stdout
            before, peak = map(float, printed.split())
            taken = time.perf_counter() - begun
            table.add_row(f"{size_gb:g} GB", f"{planes}", f"{before:.0f}", f"{peak:.0f}", f"{taken:.1f}")


def main() -> None:
    """Measure both, and print the tables."""
    console = Console(width=100)
    speed = Table(title=f"cut-outs of {RADIUS_DEG} deg of an image of {SIDE} x {SIDE} pixels, {CUTS} of them")
    for heading in ("by", "clients", "per second", "of astropy"):
        speed.add_column(heading)
    _speed(speed)
    console.print(speed)
    memory = Table(title="32 x 32 pixels of all planes of a cube, in a process of its own")
    for heading in ("cube", "planes", "MB before", "MB at most", "seconds, with start"):
        memory.add_column(heading)
    _memory(memory)
    console.print(memory)
