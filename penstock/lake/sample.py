"""The sample collection: FITS files that come with astropy, at two sites, so that a new lake has something to find.

They are copied once, into a lake that is empty. A mark in the catalogue says how far that went: it is finished at the
next start if it was cut short, and a sample that somebody removed does not come back.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from importlib.resources import as_file, files
from pathlib import Path

from penstock.lake.port import Site
from penstock.lake.scan import Scan
from penstock.lake.store import LakeStore
from penstock.lake.tree import Tree
from penstock.settings import Settings

COLLECTION = "sample"
SITES = (
    Site(name="Dwingeloo", title="Dwingeloo Radio Observatory", latitude_deg=52.812, longitude_deg=6.396),
    Site(name="Teide", title="Teide Observatory, Tenerife", latitude_deg=28.3, longitude_deg=-16.51),
)
FILES = (  # below the package astropy
    "io/fits/hdu/compressed/tests/data/m13.fits",
    "io/fits/hdu/compressed/tests/data/m13_rice.fits",
    "io/fits/tests/data/arange.fits",
    "io/fits/tests/data/chandra_time.fits",
    "io/fits/tests/data/checksum.fits",
    "io/fits/tests/data/comp.fits",
    "io/fits/tests/data/double_ext.fits",
    "io/fits/tests/data/fixed-1890.fits",
    "io/fits/tests/data/memtest.fits",
    "io/fits/tests/data/o4sp040b0_raw.fits",
    "io/fits/tests/data/random_groups.fits",
    "io/fits/tests/data/scale.fits",
    "io/fits/tests/data/stddata.fits",
    "io/fits/tests/data/tb.fits",
    "io/fits/tests/data/test0.fits",
    "io/fits/tests/data/zerowidth.fits",
    "modeling/tests/data/1904-66_AZP.fits",
    "nddata/tests/data/sip-wcs.fits",
    "wcs/tests/data/dist_lookup.fits.gz",
    "wcs/tests/data/dss.14.29.56-62.41.05.fits.gz",
    "wcs/tests/data/header_newlines.fits",
    "wcs/tests/data/ie6d07ujq_wcs.fits",
    "wcs/tests/data/j94f05bgq_flt.fits",
    "wcs/tests/data/sip.fits",
    "wcs/tests/data/tab-time-last-axis.fits",
)
_MARK = "sample"
_BEGUN, _DONE = "begun", "done"


async def ensure_sample(settings: Settings, store: LakeStore) -> bool:
    """Give a lake the sample collection, once in its life and only while it has nothing else; return whether it did."""
    mark = await store.mark(_MARK)
    if mark == _DONE:
        return False
    wanted = mark == _BEGUN or await store.is_empty()
    if wanted:
        await store.set_mark(_MARK, _BEGUN)
        for site in SITES:
            folder = settings.data_dir.absolute() / "lake" / site.name / COLLECTION
            await asyncio.to_thread(_copy, folder)
            await Scan(store=store, tree=Tree(path=folder.resolve(), collection=COLLECTION), site=site).run()
    await store.set_mark(_MARK, _DONE)
    return wanted


def _copy(folder: Path) -> None:
    """Copy the files; each appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with as_file(files("astropy")) as package:
        for name in FILES:
            source, target = package / name, folder / Path(name).name
            if source.is_file() and not target.exists():
                partial = target.with_name(f"{target.name}.{os.getpid()}.part")  # another process may do the same
                shutil.copyfile(source, partial)
                partial.replace(target)
