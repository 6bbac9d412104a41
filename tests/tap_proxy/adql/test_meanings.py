"""What a result says of calculated columns: units where they are certain, UCDs that are UCDs."""

from __future__ import annotations

import pytest
from astropy import units as u
from astropy.io.votable.ucd import check_ucd

from penstock.votable.model import Field
from tap_proxy.adql import AdqlSemanticError, SQLite, compile_query
from tests.tap_proxy.adql.catalogues import catalogue

CATALOGUE = catalogue()


def field_of(expression: str, table: str = "sources") -> Field:
    (field,) = compile_query(f"SELECT {expression} FROM {table}", CATALOGUE, SQLite()).fields
    return field


UNITS = (
    ("ra + dec", "deg"),
    ("ra + 10", "deg"),
    ("10 - ra", "deg"),
    ("ra * 2 + dec", "deg"),
    ("ra + mag", None),
    ("ra + n_obs", None),
    ("ra * dec", "deg**2"),
    ("ra / dec", None),
    ("1 / pm_ra", "mas**-1.yr"),
    ("ra / 2", "deg"),
    ("ra * COS(RADIANS(dec))", "deg"),
    ("pm_ra * pm_ra", "mas**2.yr**-2"),
    ("POWER(pm_ra, 2)", "mas**2.yr**-2"),
    ("POWER(pm_ra, 0.5)", "mas**(1/2).yr**(-1/2)"),
    ("POWER(pm_ra, n_obs)", None),
    ("POWER(2, 3)", None),
    ("SQRT(pm_ra * pm_ra)", "mas.yr**-1"),
    ("SQRT(POWER(pm_ra, 2) + POWER(pm_ra, 2))", "mas.yr**-1"),
    ("MOD(ra, 360)", "deg"),
    ("-ra", "deg"),
    ("ABS(dec)", "deg"),
    ("ROUND(mag, 1)", "mag"),
    ("COALESCE(ra, dec, 0)", "deg"),
    ("COALESCE(ra, mag)", None),
    ("CAST(ra AS REAL)", "deg"),
    ("SUM(mag) / COUNT(*)", "mag"),
    ("MAX(ra) - MIN(ra)", "deg"),
    ("AVG(mag)", "mag"),
    ("COUNT(ra)", None),
    ("SIN(RADIANS(ra))", None),
    ("DEGREES(ATAN2(ra, dec))", "deg"),
    ("IN_UNIT(pm_ra * 2, 'arcsec/yr') * 3", "arcsec/yr"),
    ("id * 2", None),
)


@pytest.mark.parametrize(("expression", "unit"), UNITS, ids=[expression for expression, _ in UNITS])
def test_a_unit_is_told_where_it_is_certain(expression: str, unit: str | None) -> None:
    found = field_of(expression).unit
    assert found == unit
    if found is not None:
        assert u.Unit(found, format="vounit") is not None


def test_units_of_products_are_those_of_astropy() -> None:
    for expression, product in (
        ("access_estsize / t_exptime", u.kbyte / u.s),
        ("em_max * s_fov / t_min", u.m * u.deg / u.d),
        ("POWER(em_min, -3)", u.m**-3),
    ):
        found = field_of(expression, "obscore").unit
        assert found is not None
        assert u.Unit(found, format="vounit").is_equivalent(product)
        assert u.Unit(found, format="vounit").to(product) == pytest.approx(1)


@pytest.mark.parametrize(
    ("expression", "target"),
    [
        ("SQRT(POWER(pm_ra, 2) + POWER(pm_ra, 2))", "rad/yr"),
        ("pm_ra * 2 - pm_ra", "deg/yr"),
        ("MAX(ra) - MIN(ra)", "rad"),
        ("ra * COS(RADIANS(dec))", "arcsec"),
        ("1 / pm_ra", "yr/deg"),
        ("ra * dec", "sr"),
    ],
)
def test_in_unit_takes_what_has_a_unit_by_inference(expression: str, target: str) -> None:
    assert field_of(f"IN_UNIT({expression}, '{target}')").unit == target


@pytest.mark.parametrize(
    "expression", ["42", "40 + 2", "SQRT(42)", "PI() * 2", "COUNT(*)", "SIN(ra)", "ra / dec", "n_obs"]
)
def test_in_unit_refuses_what_has_none(expression: str) -> None:
    with pytest.raises(AdqlSemanticError, match="no unit"):
        field_of(f"IN_UNIT({expression}, 'deg')")


@pytest.mark.parametrize(
    ("expression", "ucd"),
    [
        ("s_ra", "pos.eq.ra"),
        ("MIN(s_ra)", "pos.eq.ra;stat.min"),
        ("MAX(s_ra)", "pos.eq.ra;stat.max"),
        ("AVG(s_ra)", "pos.eq.ra;stat.mean"),
        ("SUM(access_estsize)", "phys.size;meta.file;arith.sum"),
        ("COUNT(*)", "meta.number"),
        ("ROUND(s_ra, 2)", "pos.eq.ra"),
        ("IN_UNIT(s_ra, 'rad')", "pos.eq.ra"),
        ("CAST(s_ra AS REAL)", "pos.eq.ra"),
        ("UPPER(obs_collection)", "meta.id"),
        ("COALESCE(obs_collection, '')", "meta.id"),
        ("s_ra + 1", None),
        ("MAX(t_exptime)", None),
        ("DISTANCE(s_ra, s_dec, 1, 2)", "pos.angDistance"),
    ],
)
def test_a_ucd_says_what_was_made_of_it(expression: str, ucd: str | None) -> None:
    found = field_of(expression, "obscore").ucd
    assert found == ucd
    assert found is None or check_ucd(found, check_controlled_vocabulary=True)


def test_descriptions_follow_their_columns_and_not_what_is_calculated() -> None:
    assert field_of("obs_id", "obscore").description == "Observation"
    assert field_of("UPPER(obs_id)", "obscore").description == "Observation"
    assert field_of("UPPER(obs_id)", "obscore").utype is None
    assert field_of("obs_id || 'x'", "obscore").description is None


@pytest.mark.parametrize(
    ("query", "datatype", "unit"),
    [
        ("SELECT variable FROM sources UNION SELECT n_obs FROM sources", "int", None),
        ("SELECT quality FROM sources UNION SELECT variable FROM sources", "short", None),
        ("SELECT variable FROM sources UNION SELECT variable FROM sources", "boolean", None),
        ("SELECT n_obs FROM sources UNION SELECT big FROM sources", "long", None),
        ("SELECT NULL FROM sources UNION SELECT ra FROM sources", "double", "deg"),
        ("SELECT COALESCE(variable, 1.5) FROM sources", "double", None),
    ],
)
def test_columns_that_are_joined_have_the_wider_type(query: str, datatype: str, unit: str | None) -> None:
    (field,) = compile_query(query, CATALOGUE, SQLite()).fields
    assert (field.datatype, field.unit) == (datatype, unit)
