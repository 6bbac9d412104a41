from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.dali.errors import UsageError
from penstock.dali.params import Parameters
from penstock.lake.catalogue import SCHEMAS
from tap_proxy.adql import Catalogue, SQLite, compile_query
from tap_proxy.core.formats import SIA_FORMATS
from tap_proxy.core.request import RowLimits
from tap_proxy.core.sia import PARAMETERS, read_image_query

LIMITS = RowLimits(default=10, hard=20)


def where(*pairs: tuple[str, str]) -> str:
    """Return the conditions beside the first; they must be ADQL on the catalogue."""
    query = read_image_query(Parameters(pairs), formats=SIA_FORMATS, limits=LIMITS)
    compile_query(query.text, Catalogue(SCHEMAS), SQLite())
    return query.text.partition("'cube')")[2].removeprefix(" AND ")


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], ""),
        ([("BAND", "5e-7")], "((em_min <= 5e-07 AND em_max >= 5e-07))"),
        ([("band", "4e-7 5e-7")], "((em_min <= 5e-07 AND em_max >= 4e-07))"),
        ([("BAND", "-Inf 1")], "((em_min <= 1.0))"),
        ([("TIME", "55000 +Inf")], "((t_max >= 55000.0))"),
        ([("TIME", "-Inf +Inf")], "(t_min IS NOT NULL)"),
        ([("FOV", "0.1 0.5")], "((s_fov >= 0.1 AND s_fov <= 0.5))"),
        ([("ID", "demo:1")], "(obs_publisher_did = 'demo:1')"),
        (
            [("ID", "IVO://A/b?C:d")],
            "(obs_publisher_did = 'IVO://A/b?C:d' OR obs_publisher_did = 'ivo://a/b?C:d')",
        ),
        ([("POL", "i"), ("POL", "RR")], "(pol_states LIKE '%/I/%' OR pol_states LIKE '%/RR/%')"),
        ([("CALIB", "2"), ("TARGET", "it's")], "(target_name = 'it''s') AND (calib_level = 2)"),
        ([("TARGET", " "), ("UNKNOWN", "x")], ""),
        (
            [("POS", "CIRCLE 370 -20 0.5")],
            "((1 = INTERSECTS(s_region, CIRCLE(10.0, -20.0, 0.5)) OR (s_region IS NULL AND "
            "1 = CONTAINS(POINT(s_ra, s_dec), CIRCLE(10.0, -20.0, 0.5)))))",
        ),
        (
            [("POS", "RANGE 0 360 60 +Inf")],
            "((s_dec BETWEEN 60.0 AND 90.0 AND s_ra BETWEEN 0.0 AND 360.0))",
        ),
    ],
)
def test_parameters_become_conditions(pairs: list[tuple[str, str]], expected: str) -> None:
    assert where(*pairs) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POS", "10 20 0.1"),
        ("POS", "CIRCLE 10 20"),
        ("POS", "CIRCLE 10 95 1"),
        ("POS", "POLYGON 1 2 3 4"),
        ("POS", "RANGE 0 1 2"),
        ("POS", "CIRCLE NaN 0 1"),
        ("BAND", "blue"),
        ("BAND", "5 4"),
        ("BAND", "1 2 3"),
        ("BAND", "NaN"),
        ("FOV", "+Inf"),
        ("TIME", "2026-01-01"),
        ("CALIB", "5"),
        ("CALIB", "two"),
        ("POL", "X%"),
        ("MAXREC", "-1"),
        ("RESPONSEFORMAT", "application/pdf"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=name):
        where((name, value))


def test_format_is_a_condition_on_the_data() -> None:
    assert where(("FORMAT", "application/fits")) == "(access_format = 'application/fits')"


@given(st.lists(st.tuples(st.sampled_from(PARAMETERS), st.text(max_size=40)), max_size=5))
def test_whatever_is_asked_stays_within_its_condition(pairs: list[tuple[str, str]]) -> None:
    with suppress(UsageError):
        where(*pairs)
