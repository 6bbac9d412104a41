from __future__ import annotations

import gzip
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from penstock.lake.obscore import DataproductType
from tests.penstock.lake.fits.builders import (
    TAN,
    extension,
    header,
    image,
    observe,
    observe_bytes,
    sample,
    table,
    to_bytes,
)

GOLDEN: dict[str, dict[str, Any]] = {  # what people who know these files say of them
    "io/fits/tests/data/chandra_time.fits": {
        "dataproduct_type": "event", "obs_id": "18059", "target_name": "Mrk 1434", "facility_name": "CHANDRA",
        "instrument_name": "ACIS", "s_ra": 158.53916796181, "s_dec": 58.062098584961994, "t_exptime": 3.1,
        "t_min": 57413.748167907, "t_resolution": 3.14104, "calib_level": 1,
    },
    "wcs/tests/data/j94f05bgq_flt.fits": {
        "dataproduct_type": "image", "obs_id": "j94f05bgq", "target_name": "NGC104", "facility_name": "HST",
        "instrument_name": "ACS", "t_exptime": 400.0, "o_ucd": "phot.count", "proposal_id": "10368", "calib_level": 2,
        "t_min": 53436.28571938, "t_max": 53436.29036114, "em_min": 5.1261e-07, "em_max": 6.70926e-07,
    },
    "io/fits/tests/data/o4sp040b0_raw.fits": {
        "dataproduct_type": "spectrum", "obs_id": "o4sp040b0", "target_name": "HD101998", "instrument_name": "STIS",
        "em_xel": 62, "em_res_power": 7780.0, "s_ra": 176.12166635, "s_dec": 48.516114, "o_ucd": "phot.count",
    },
    "io/fits/tests/data/random_groups.fits": {
        "dataproduct_type": "visibility", "facility_name": "ATCA", "target_name": "n641_17", "pol_states": "/I/",
        "pol_xel": 1, "s_ra": 24.560395668, "s_dec": -42.6686253123, "s_region": None,
    },
    "io/fits/tests/data/memtest.fits": {"dataproduct_type": "timeseries", "t_resolution": 0.25625, "t_xel": 1},
    "modeling/tests/data/1904-66_AZP.fits": {
        "dataproduct_type": "image", "o_ucd": "phot.flux.density", "o_unit": "JY/BEAM", "s_resolution": 864.0,
        "calib_level": 2,
    },
    "wcs/tests/data/dss.14.29.56-62.41.05.fits.gz": {
        "dataproduct_type": "image", "facility_name": "UK 48-inch Schmidt", "t_min": 42848.73472222,
        "t_exptime": 4200.0, "s_pixel_scale": 1.69945,
    },
    "nddata/tests/data/sip-wcs.fits": {"em_min": 3.98e-7, "em_max": 4.92e-7, "t_exptime": 120.0, "o_unit": "adu"},
    "io/fits/tests/data/zerowidth.fits": {"dataproduct_type": "visibility", "target_name": "1251+278"},
    "io/fits/tests/data/stddata.fits": {"dataproduct_type": "measurements", "s_ra": None, "t_min": None},
    "io/fits/tests/data/arange.fits": {"dataproduct_type": "cube", "calib_level": 1},
    "io/fits/tests/data/history_header.fits": {"dataproduct_type": None, "calib_level": 1},
}  # fmt: skip


@pytest.mark.parametrize("name", GOLDEN)
def test_samples_are_described_as_they_are(name: str) -> None:
    found = asdict(observe_bytes(sample(name)))
    for column, value in GOLDEN[name].items():
        assert found[column] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), column


CUBE = TAN | {"CTYPE3": "FREQ", "CUNIT3": "Hz", "CRVAL3": 1.4e9, "CDELT3": 1e6, "CRPIX3": 1.0}
KINDS = {
    "image": (image(), DataproductType.IMAGE),
    "image without coordinates": (image({}), DataproductType.IMAGE),
    "cube": (image(CUBE, (4, 10, 10)), DataproductType.CUBE),
    "image with one channel": (image(CUBE, (1, 10, 10)), DataproductType.IMAGE),
    "stokes cube": (image(TAN | {"CTYPE3": "STOKES"}, (4, 10, 10)), DataproductType.CUBE),
    "spectrum": (image({"CTYPE1": "WAVE", "CUNIT1": "nm"}, (50,)), DataproductType.SPECTRUM),
    "long slit": (image({"CTYPE1": "WAVE", "CUNIT1": "nm", "CTYPE2": "LINEAR"}, (20, 50)), DataproductType.SPECTRUM),
    "series": (image({"CTYPE1": "TIME"}, (50,)), DataproductType.TIMESERIES),
    "one axis of no kind": (image({}, (50,)), None),
    "empty primary": (fits.PrimaryHDU(), None),
    "table": (table({"ID": "", "X": ""}), DataproductType.MEASUREMENTS),
    "event list": (table({"TIME": "s", "X": ""}, {"EXTNAME": "EVENTS"}), DataproductType.EVENT),
    "event list by class": (table({"TIME": "s"}, {"HDUCLAS1": "EVENTS"}), DataproductType.EVENT),
    "spectrum by columns": (table({"WAVELENGTH": "nm", "FLUX": "Jy"}), DataproductType.SPECTRUM),
    "spectrum by class": (table({"CHANNEL": "", "X": ""}, {"HDUCLAS1": "SPECTRUM"}), DataproductType.SPECTRUM),
    "light curve": (table({"TIME": "s", "RATE": "count/s"}), DataproductType.TIMESERIES),
    "light curve by name": (table({"T": "s"}, {"EXTNAME": "RATE"}), DataproductType.TIMESERIES),
    "visibilities": (table({"UU": ""}, {"EXTNAME": "UV_DATA"}), DataproductType.VISIBILITY),
    "compressed image": (fits.CompImageHDU(np.zeros((9, 9), np.int16), header(TAN)), DataproductType.IMAGE),
}


@pytest.mark.parametrize(("hdu", "expected"), KINDS.values(), ids=KINDS)
def test_the_product_type_is_told_by_axes_columns_and_names(hdu: Any, expected: DataproductType | None) -> None:
    assert observe(hdu).dataproduct_type == expected


def test_a_light_curve_counts_its_samples() -> None:
    assert observe(table({"TIME": "s", "RATE": "count/s"}, rows=7)).t_xel == 7


@pytest.mark.parametrize(
    ("start", "step", "size", "states"),
    [
        (1, 1, 4, "/I/Q/U/V/"),
        (1, 1, 1, "/I/"),
        (-1, -1, 4, "/RR/LL/RL/LR/"),
        (-5, -1, 2, "/XX/YY/"),
        (2, 1, 2, "/Q/U/"),
        (40, 1, 2, None),
    ],
)
def test_polarisation_states_are_listed(start: int, step: int, size: int, states: str | None) -> None:
    cards = TAN | {"CTYPE3": "STOKES", "CRVAL3": start, "CDELT3": step, "CRPIX3": 1.0}
    found = observe(image(cards, (size, 10, 10)))
    assert (found.pol_states, found.pol_xel) == (states, size)


@pytest.mark.parametrize(
    ("unit", "ucd"),
    [
        ("Jy/beam", "phot.flux.density"),
        ("mJy", "phot.flux.density"),
        ("K", "phys.temperature"),
        ("ADU", "phot.count"),
        ("electrons/s", "arith.rate;phot.count"),
        ("erg/s/cm**2/Angstrom", "phot.flux.density;em.wl"),
        ("10**(-17) erg/cm2/s/A", "phot.flux.density;em.wl"),
        ("mag", "phot.mag"),
        ("km/s", "spect.dopplerVeloc"),
        ("UNITLESS", None),
    ],
)
def test_the_observable_is_told_by_its_unit(unit: str, ucd: str | None) -> None:
    found = observe(image(TAN | {"BUNIT": unit}))
    assert (found.o_ucd, found.o_unit) == (ucd, unit)


@pytest.mark.parametrize(
    ("cards", "level"),
    [
        ({}, 1),
        ({"BUNIT": "adu"}, 1),
        ({"BUNIT": "Jy/beam"}, 2),
        ({"MAGZPT": 25.0}, 2),
        ({"NCOMBINE": 5}, 3),
        ({"NCOMBINE": 1}, 1),
        ({"CALIBLEV": 0, "BUNIT": "Jy"}, 0),
        ({"CALIBLEV": 4}, 4),
        ({"CALIBLEV": 9}, 1),
        ({"CALIBLEV": "high"}, 1),
    ],
)
def test_the_calibration_level(cards: dict[str, Any], level: int) -> None:
    assert observe(image(TAN | cards)).calib_level == level


def test_auxiliary_extensions_are_not_what_a_file_is_about() -> None:
    found = observe(
        fits.PrimaryHDU(header=header({"TELESCOP": "T"})),
        extension({"EXTNAME": "DQ"}, (3, 3)),
        extension(TAN | {"EXTNAME": "SCI", "EXPTIME": 5.0}),
    )
    assert (found.s_xel1, found.facility_name, found.t_exptime) == (10, "T", 5.0)


def test_other_data_in_the_file_lend_nothing() -> None:
    assert observe(image(), table({"X": ""}, {"INSTRUME": "other", "DATE-OBS": "2020-01-01"})).instrument_name is None


def test_compressed_and_plain_files_tell_the_same() -> None:
    data = to_bytes(image(CUBE | {"OBJECT": "M 1"}, (4, 10, 10)))
    assert observe_bytes(gzip.compress(data)) == observe_bytes(data)


NOISE = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.none(), st.sampled_from(["", "x", "1e999", "RA---TAN", "2020-01-01"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
)  # fmt: skip
KEYS = (
    *CUBE, "DATE-OBS", "MJD-OBS", "TIMESYS", "EXPTIME", "FILTER", "BUNIT", "RA", "DEC", "EQUINOX", "RADESYS",
    "RELEASE", "OBJECT", "TSTART", "MJDREF", "PV2_1", "A_ORDER", "A_2_0", "BMAJ", "E_MIN", "E_MAX", "WCSAXES", "CD1_1",
    "LONPOLE", "TELAPSE", "EXPEND", "PHOTPLAM", "PHOTBW", "RESTFRQ", "CROTA2",
)  # fmt: skip
STRUCTURE = (
    "SIMPLE  =                    T",
    "BITPIX  = 8",
    "NAXIS   = 3",
    "NAXIS1  = 5",
    "NAXIS2  = 5",
    "NAXIS3  = 3",
)


READERS: list[ProcessPoolExecutor] = []


def observe_apart(data: bytes) -> Any:
    """Observe in another process, as a scan does: wcslib crashes on a few headers, and then the file is skipped."""
    if not READERS:
        READERS.append(ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("forkserver")))
    try:
        return READERS[0].submit(observe_bytes, data).result()
    except BrokenProcessPool:
        READERS.clear()
        reject()


@given(st.dictionaries(st.sampled_from(KEYS), NOISE, max_size=12))
@settings(deadline=None, max_examples=150)
def test_no_header_is_too_strange(noise: dict[str, Any]) -> None:
    cards = "".join(_card(key, value) for key, value in (CUBE | noise).items())
    start = "".join(card.ljust(80) for card in STRUCTURE)
    text = (start + cards + "END".ljust(80)).encode()
    found = observe_apart(text.ljust(-(-len(text) // 2880) * 2880) + bytes(2880))
    numbers = [value for value in asdict(found).values() if isinstance(value, float)]
    assert np.isfinite(numbers).all()
    assert found.s_dec is None or abs(found.s_dec) <= 90
    assert found.em_min is None or 0 < found.em_min <= (found.em_max or 0)


def _card(key: str, value: Any) -> str:
    match value:
        case None:
            shown = ""
        case bool():
            shown = "T" if value else "F"
        case str():
            shown = "'" + value.replace("'", "''") + "'"
        case _:
            shown = str(value)
    return f"{key:8}= {shown}"[:80].ljust(80)
