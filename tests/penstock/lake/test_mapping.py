from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from penstock.lake.mapping import COLUMNS, GIVEN, NEVER, MappingError, load_mapping, shipped
from penstock.lake.port import Did
from tests.support.systems import ROOT

DID = Did("scope", "dir/name.fits")
WHOLE: dict[str, Any] = {"obs_id": "1", "obs_collection": "c", "calib_level": 2}


def mapping(folder: Path, text: str) -> Any:
    path = folder / "mapping.toml"
    path.write_text(text)
    return load_mapping(str(path))


def test_every_mapping_that_comes_along_can_be_used() -> None:
    assert set(shipped()) == {"cta", "lofar", "obscore", "ska"}
    for name in shipped():
        assert set(load_mapping(name).apply(DID, {}).row) == set(COLUMNS) - GIVEN


def test_metadata_with_the_names_of_obscore_are_taken_as_they_are() -> None:
    given = WHOLE | {"s_ra": "12.5", "s_dec": -3, "t_xel": 5, "target_name": " M  1 ", "dataproduct_type": "cube"}
    mapped = load_mapping("obscore").apply(DID, given | {"another": "key"})
    assert mapped.complete
    assert mapped.problems == ()
    assert {name: mapped.row[name] for name in ("s_ra", "s_dec", "t_xel", "target_name", "dataproduct_type")} == {
        "s_ra": 12.5,
        "s_dec": -3.0,
        "t_xel": 5,
        "target_name": "M 1",
        "dataproduct_type": "cube",
    }


def test_what_obscore_demands_and_is_missing_is_told_by_column() -> None:
    mapped = load_mapping("obscore").apply(DID, {"calib_level": ""})
    assert not mapped.complete
    assert {problem.column for problem in mapped.problems} == {"obs_id", "obs_collection", "calib_level"}
    assert mapped.problems[0].reason.startswith("none of its metadata is called")


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("s_ra", "x", "s_ra='x' is not a finite number"),
        ("s_ra", True, "is not a finite number"),
        ("s_ra", float("nan"), "is not a finite number"),
        ("s_ra", 400, "s_ra=400 is not between 0 and 360"),
        ("s_dec", -91, "is not between -90 and 90"),
        ("s_xel1", 1.5, "is not an integer"),
        ("s_xel1", 1e30, "is not an integer"),
        ("em_min", -1, "is not between 0 and inf"),
        ("target_name", ["a"], "is not a text"),
        ("target_name", "a\x00b", "printable"),
        ("target_name", "x" * 5000, "at most 4000"),
        ("s_region", "CIRCLE ü", "other letters than those of ASCII"),
        ("dataproduct_type", "picture", "is none of cube, event, image"),
        ("obs_release_date", "soon", "is no instant in ISO 8601"),
    ],
)
def test_a_value_that_does_not_fit_is_told_and_costs_only_its_column(column: str, value: object, reason: str) -> None:
    mapped = load_mapping("obscore").apply(DID, WHOLE | {column: value})
    assert mapped.complete
    assert mapped.row[column] is None
    [problem] = mapped.problems
    assert problem.column == column
    assert reason in problem.reason


def test_times_in_the_wrong_order_are_told() -> None:
    mapped = load_mapping("obscore").apply(DID, WHOLE | {"t_min": 2, "t_max": 1})
    assert [problem.column for problem in mapped.problems] == ["t_min", "t_max"]


def test_energies_become_wavelengths_and_change_places() -> None:
    row = load_mapping("cta").apply(DID, {"E_MIN": 0.1, "E_MAX": 100}).row
    assert row["em_min"] == pytest.approx(1.23984198e-20, rel=1e-6)
    assert row["em_max"] == pytest.approx(1.23984198e-17, rel=1e-6)


def test_frequencies_words_and_instants_of_lofar_are_translated() -> None:
    given = {
        "observationId": "L1",
        "project": "LC0",
        "dataProductType": "CorrelatedDataProduct",
        "minFrequency": 120,
        "maxFrequency": 180,
        "startTime": "2020-01-01T00:00:00Z",
        "processingLevel": "raw",
    }
    mapped = load_mapping("lofar").apply(DID, given)
    assert mapped.complete
    row = mapped.row
    assert (row["dataproduct_type"], row["calib_level"], row["obs_collection"]) == ("visibility", 0, "LC0")
    assert row["t_min"] == 58849.0
    assert row["em_min"] == pytest.approx(1.66551366)
    assert row["em_max"] == pytest.approx(2.49827048)
    wrong = load_mapping("lofar").apply(DID, given | {"processingLevel": "cooked"})
    assert [problem.reason for problem in wrong.problems] == [
        "processingLevel='cooked' is none of raw, correlated, averaged, calibrated, image"
    ]


def test_a_frequency_of_nothing_is_told() -> None:
    mapped = load_mapping("lofar").apply(DID, {"observationId": "1", "minFrequency": 0})
    assert "em_max" in {problem.column for problem in mapped.problems}


@pytest.mark.parametrize(
    ("form", "value", "mjd"),
    [
        ("mjd", "59000.5", 59000.5),
        ("jd", 2459001.0, 59000.5),
        ("unix", 1591012800, 59001.5),
        ("iso", "2020-06-01 12:00:00", 59001.5),
        ("mjd_s", 86400 * 59000, 59000.0),
    ],
)
def test_instants_are_read_in_many_forms(tmp_path: Path, form: str, value: object, mjd: float) -> None:
    rules = mapping(tmp_path, f'[columns]\nt_min = {{ keys = "when", time = "{form}" }}')
    assert rules.apply(DID, {"when": value}).row["t_min"] == pytest.approx(mjd)


def test_templates_and_constants_fill_what_files_do_not_have(tmp_path: Path) -> None:
    text = '[columns]\nobs_id = { template = "{scope}/{night}" }\ncalib_level = { keys = "level", value = 3 }'
    rules = mapping(tmp_path, text)
    assert rules.apply(DID, {"night": 7}).row["obs_id"] == "scope/7"
    mapped = rules.apply(DID, {})
    assert (mapped.row["obs_id"], mapped.row["calib_level"]) == (None, 3)
    assert "what {scope}/{night} needs is not among its metadata" in {problem.reason for problem in mapped.problems}


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        ({}, None),
        ({"obs_release_date": "2030-01-02"}, datetime(2030, 1, 2, tzinfo=UTC)),
        ({"obs_release_date": "2030-01-02T03:00:00+01:00"}, datetime(2030, 1, 2, 2, tzinfo=UTC)),
        ({"obs_release_date": "when it is done"}, NEVER),
        ({"obs_release_date": {"a": 1}}, NEVER),
    ],
)
def test_what_cannot_be_read_as_a_release_date_is_never_released(given: dict[str, object], instant: datetime) -> None:
    assert load_mapping("obscore").released(DID, given) == instant


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[columns", "mapping.toml"),
        ("columns = 5", "columns"),
        ("[columns]\nnope = { value = 1 }", "'nope' is not a column of ivoa.obscore that metadata fill"),
        ("[columns]\nobs_publisher_did = { value = 1 }", "is not a column"),
        ("[columns]\ns_ra = { }", "a rule needs keys, a value or a template"),
        ('[columns]\ns_ra = { keys = "a", colour = 1 }', "columns.s_ra.colour"),
        ('[columns]\ns_ra = { keys = "a", unit = "parrots" }', "'parrots' is no unit"),
        ('[columns]\ns_ra = { keys = "a", unit = "kg" }', "kg cannot become deg"),
        ('[columns]\nobs_id = { keys = "a", unit = "kg" }', "kg cannot become a number without unit"),
        ('[columns]\nt_min = { keys = "a", unit = "s", time = "unix" }', "not both"),
    ],
)
def test_a_mapping_that_is_wrong_is_refused_with_the_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MappingError, match="mapping") as error:
        mapping(tmp_path, text)
    assert message in str(error.value)


def test_a_mapping_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="cta, lofar, obscore, ska"):
        load_mapping(str(tmp_path / "none.toml"))


def test_the_mapping_of_the_documents_can_be_used(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "lake.md").read_text().partition("```toml\n")[2].partition("```")[0]
    given = {"night_id": "n", "level": "raw", "target": "M 1", "filter": "r", "minutes": 2, "f_min": 1, "f_max": 2}
    mapped = mapping(tmp_path, text).apply(DID, given)
    assert mapped.complete
    assert (mapped.row["obs_title"], mapped.row["t_exptime"]) == ("M 1 in r", 120)
    assert mapped.row["em_min"] == pytest.approx(0.149896229)
