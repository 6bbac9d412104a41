"""What the lake holds, collection by collection, from its catalogue ``ivoa.obscore``."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from penstock.dali.errors import ServiceUnavailable
from penstock.db import Database
from penstock.lake.catalogue import Catalogue
from registry.core.identifier import authority_of
from registry.core.record import Coverage
from registry.service.making import Collection

MAX_COLLECTIONS = 5_000
_NAMES = 20  # of telescopes and instruments that a record lists
_PLANCK_LIGHT = 6.62607015e-34 * 299_792_458.0  # in J m: energy of a photon times its wavelength
_WAVEBANDS = (  # upper end of the wavelength in m (VODataService 1.2 s3.2, vocabulary of messengers)
    (1.2e-11, "Gamma-ray"),
    (1.0e-8, "X-ray"),
    (9.1e-8, "EUV"),
    (3.0e-7, "UV"),
    (1.0e-6, "Optical"),
    (1.0e-4, "Infrared"),
    (1.0e-2, "Millimeter"),
    (float("inf"), "Radio"),
)


async def collections_of(db: Database) -> tuple[Collection, ...] | None:
    """Return the collections of the lake, by name; None where the catalogue cannot be read now.

    Those whose names cannot stand in an identifier are left out.
    """
    table = Catalogue.of(db.dialect).obscore.c
    bounds = [kind(table[name]) for name, kind in _BOUNDS.items()]
    query = sa.select(table.obs_collection, sa.func.count(), *bounds).group_by(table.obs_collection)
    try:
        async with db.read() as connection:
            rows = (await connection.execute(query.order_by(table.obs_collection).limit(MAX_COLLECTIONS))).all()
            names = await _names(connection, table)
    except (ServiceUnavailable, sa.exc.SQLAlchemyError):
        return None
    found = (_collection(row, names) for row in rows)
    return tuple(one for one in found if authority_of(f"ivo://authority/lake/{one.name}"))


_BOUNDS: dict[str, Any] = {"t_min": sa.func.min, "t_max": sa.func.max, "em_min": sa.func.min, "em_max": sa.func.max}


async def _names(connection: Any, table: Any) -> dict[str, tuple[set[str], set[str]]]:
    """Return telescopes and instruments of each collection."""
    query = sa.select(table.obs_collection, table.facility_name, table.instrument_name).distinct().limit(20_000)
    names: dict[str, tuple[set[str], set[str]]] = {}
    for collection, *given in await connection.execute(query):
        for known, name in zip(names.setdefault(collection, (set(), set())), given, strict=True):
            if name and name.strip():
                known.add(" ".join(name.split()))
    return names


def _collection(row: Any, names: dict[str, tuple[set[str], set[str]]]) -> Collection:
    name, files, t_min, t_max, em_min, em_max = row
    facilities, instruments = names.get(name, (set(), set()))
    known_time = t_min is not None and t_max is not None and t_min <= t_max
    known_band = em_min is not None and em_max is not None and 0 < em_min <= em_max
    return Collection(
        name=name,
        files=files,
        facilities=tuple(sorted(facilities)[:_NAMES]),
        instruments=tuple(sorted(instruments)[:_NAMES]),
        coverage=Coverage(
            temporal=((t_min, t_max),) if known_time else (),
            spectral=((_PLANCK_LIGHT / em_max, _PLANCK_LIGHT / em_min),) if known_band else (),
            wavebands=_wavebands(em_min, em_max) if known_band else (),
        ),
    )


def _wavebands(low_m: float, high_m: float) -> tuple[str, ...]:
    """Return the wavebands that an interval of wavelengths touches."""
    touched, begin = [], 0.0
    for end, name in _WAVEBANDS:
        if low_m < end and high_m >= begin:
            touched.append(name)
        begin = end
    return tuple(touched)
