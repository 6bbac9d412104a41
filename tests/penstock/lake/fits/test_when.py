from __future__ import annotations

from typing import Any

import pytest
from astropy.time import Time

from tests.penstock.lake.fits.builders import TAN, image, observe, table

START = Time("2016-01-26T17:58:29", scale="utc").mjd
S = 1 / 86400


@pytest.mark.parametrize(
    ("cards", "t_min", "t_max", "exptime"),
    [
        ({"DATE-OBS": "2016-01-26T17:58:29"}, START, START, None),
        ({"DATE-OBS": "2016-01-26T17:58:29", "EXPTIME": 30.0}, START, START + 30 * S, 30),
        ({"DATE-OBS": "2016-01-26", "TIME-OBS": "17:58:29", "EXPTIME": 30.0}, START, START + 30 * S, 30),
        ({"DATE-OBS": "26/01/99", "UT": "17:58:29"}, START - 6209, START - 6209, None),
        ({"DATE-OBS": "2016-01-26"}, int(START), int(START) + 1, None),
        ({"MJD-OBS": START, "EXPTIME": 60}, START, START + 60 * S, 60),
        ({"DATE-OBS": "2016-01-26", "MJD-OBS": START}, START, START, None),
        ({"DATE-BEG": "2016-01-26T17:58:29", "DATE-END": "2016-01-26T17:59:29"}, START, START + 60 * S, 60),
        ({"MJD-BEG": START, "MJD-END": START + 1, "XPOSURE": 10.0}, START, START + 1, 10),
        ({"EXPSTART": START, "EXPEND": START + 60 * S, "EXPTIME": 50.0}, START, START + 60 * S, 50),
        ({"DATE-OBS": "2016-01-26T17:58:29", "TELAPSE": 100.0, "EXPTIME": 60.0}, START, START + 100 * S, 60),
        ({"DATE-OBS": "2016-01-26T17:58:29", "DATE-END": "2015-01-01T00:00:00"}, START, START, None),
        ({"DATE-OBS": "2016-01-26T17:58:29Z"}, START, START, None),
        ({"DATE-OBS": "2016-01-26T17:58"}, START - 29 * S, START - 29 * S, None),
        ({"DATE-OBS": "1850-05-05"}, -3118, -3117, None),
        ({"EXPTIME": 12.0}, None, None, 12),
        ({"DATE-OBS": "yesterday"}, None, None, None),
        ({"DATE-OBS": "2016-13-45"}, None, None, None),
        ({"DATE-OBS": "2016-02-30T00:00:00"}, None, None, None),
        ({"DATE-OBS": "2016-01-26T99:00:00"}, None, None, None),
        ({"MJD-OBS": 1e300}, None, None, None),
        ({"MJD-OBS": 0.0}, None, None, None),
        ({"DATE-OBS": "2016-01-26T17:58:29", "TIMESYS": "LOCAL"}, None, None, None),
        ({"DATE-OBS": "2016-01-26T17:58:29", "EXPTIME": -5.0}, START, START, None),
        ({"DATE-OBS": "2016-01-26T17:58:29", "EXPTIME": "NaN"}, START, START, None),
    ],
)
def test_times(cards: dict[str, Any], t_min: float | None, t_max: float | None, exptime: float | None) -> None:
    found = observe(image(TAN | cards))
    assert found.t_min == (None if t_min is None else pytest.approx(t_min, abs=1e-8))
    assert found.t_max == (None if t_max is None else pytest.approx(t_max, abs=1e-8))
    assert found.t_exptime == (None if exptime is None else pytest.approx(exptime, abs=1e-3))


@pytest.mark.parametrize(
    ("system", "ahead_s"),
    [
        ("UTC", 0),
        ("TAI", 36),
        ("TT", 68.184),
        ("TDT", 68.184),
        ("TDB", 68.184),
        ("GPS", 17),
        ("UT1", 0),
        ("TT(X)", 68.184),
    ],
)
def test_every_time_scale_becomes_utc(system: str, ahead_s: float) -> None:
    for cards in ({"DATE-OBS": "2016-01-26T17:58:29"}, {"MJD-OBS": START}):
        found = observe(image(TAN | cards | {"TIMESYS": system}))
        assert found.t_min == pytest.approx(START - ahead_s * S, abs=0.01 * S)


def test_times_that_count_from_a_reference_are_dated() -> None:
    cards = {"TIMESYS": "TT", "MJDREFI": 50814, "MJDREFF": 0.0, "TSTART": 1000.0, "TSTOP": 1100.0, "TIMEUNIT": "s"}
    found = observe(table({"TIME": "s"}, cards | {"TIMEDEL": 3.2}))
    start = Time(50814 + 1000 * S, format="mjd", scale="tt").utc.mjd
    assert (found.t_min, found.t_max) == pytest.approx((start, start + 100 * S), abs=1e-9)
    assert found.t_resolution == 3.2
    days = {"MJDREF": 50814.0, "TSTART": 2.0, "TSTOP": 3.0, "TIMEUNIT": "d"}
    assert observe(table({"TIME": "d"}, days)).t_max == 50817


def test_an_exposure_in_minutes_says_so_in_its_comment() -> None:
    hdu = image(TAN)
    hdu.header["EXPOSURE"] = (70.0, "Exposure time minutes")
    assert observe(hdu).t_exptime == 4200


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"RELEASE": "2030-01-01"}, "2030-01-01T00:00:00.000"),
        ({"REL_DATE": "2030-01-01T12:30:00"}, "2030-01-01T12:30:00.000"),
        ({"RELEASE": "soon"}, None),
        ({}, None),
    ],
)
def test_the_release_date_is_told_as_dali_has_it(cards: dict[str, str], expected: str | None) -> None:
    assert observe(image(TAN | cards)).obs_release_date == expected
