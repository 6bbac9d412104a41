"""pyvo.registry with every constraint that it knows, against a running server on each engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from astropy import units as u
from astropy.time import Time
from pyvo import registry
from pyvo.dal import DALQueryError, SCSService, TAPService
from pyvo.registry import regtap, rtcons

from tests.registry.regtap.corpus import prepare
from tests.support.postgres import fresh_database
from tests.support.server import Server, serve

SECOND = "ivo://second.example/"
FIRST = "ivo://obs.example/"
ALL_SKY = {"cone-quasars", "hips"}
SOUTH = {*ALL_SKY, "cone-infrared", "patch"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("regtap")
    url = f"sqlite:///{folder / 'records.db'}" if request.param == "sqlite" else fresh_database()
    asyncio.run(prepare(url))
    with serve(folder, "tap", PENSTOCK_DATABASE_URL=url) as running, pyvo_at(f"{running.base}/tap"):
        yield running


@contextmanager
def pyvo_at(url: str) -> Iterator[None]:
    """Point pyvo at a server, with the terms of the vocabularies that it would fetch from elsewhere."""
    before = regtap.get_RegTAP_service_url(), rtcons.Waveband._legal_terms, rtcons.UAT._uat
    registry.choose_RegTAP_service(url)
    rtcons.Waveband._legal_terms = {"radio", "infrared", "optical", "x-ray", "gamma-ray", "neutrino"}
    rtcons.UAT._uat = {
        "variable-stars": {"narrower": ["pulsars"], "wider": []},
        "pulsars": {"narrower": [], "wider": ["variable-stars"]},
    }
    try:
        yield
    finally:
        registry.choose_RegTAP_service(before[0])
        rtcons.Waveband._legal_terms, rtcons.UAT._uat = before[1:]


def names(results: regtap.RegistryResults) -> set[str]:
    return {one.ivoid.removeprefix(FIRST).removeprefix("ivo://") for one in results}


def search(*constraints: rtcons.Constraint, **keywords: object) -> set[str]:
    return names(registry.search(*constraints, **keywords))


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("quasars",), {"cone-quasars"}),
        (("QUASARS",), {"cone-quasars"}),
        (("redshift",), set()),
        (("redshifts",), {"cone-quasars"}),
        (("spiral",), {"images"}),
        (("light", "curves"), {"several", "tap"}),
        (("galaxies images",), {"images"}),
        (("images of galaxies", "bands"), {"images"}),
        (("it's; DROP TABLE rr.resource --",), set()),
        (('" OR res_title : (a', "*", "NEAR(a b)"), set()),
    ],
)
def test_keywords(server: Server, words: tuple[str, ...], found: set[str]) -> None:
    assert search(registry.Freetext(*words)) == found


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        (("tap",), {"members-only", "second.example/planets/tap", "second.example/regtap", "tap"}),
        (("sia",), {"images", "patch"}),
        (("sia2",), {"images2"}),
        (("ssa", "slap"), {"spectra", "theory-spectra", "lines"}),
        (("hips",), {"hips"}),
        (("ivo://ivoa.net/std/datalink#links-1.1",), {"datalink"}),
    ],
)
def test_servicetype(server: Server, kinds: tuple[str, ...], found: set[str]) -> None:
    assert search(registry.Servicetype(*kinds)) == found


def test_auxiliary_services(server: Server) -> None:
    found = search(servicetype="tap", includeaux=True)
    assert found >= {"tap", "plates", "several", "second.example/moons"}


CONSTRAINTS = (
    (registry.Author("%Smith%"), {"cone-quasars", "cone-radio", "several"}),
    (registry.Author("Müller-%"), {"plates"}),
    (registry.Author("%smith%"), set()),
    (registry.Datamodel("obscore"), {"tap"}),
    (registry.Datamodel("obscore_new"), {"obscore-slice"}),
    (registry.Datamodel("epntap"), {"second.example/moons", "second.example/planets/tap"}),
    (registry.Datamodel("regtap"), {"second.example/regtap"}),
    (registry.Ivoid("ivo://OBS.example/Plates", "ivo://obs.example"), {"plates", "obs.example"}),
    (registry.Ivoid("ivo://obs.example/retired", "ivo://obs.example/withdrawn"), set()),
    (registry.UCD("phot.mag;em.ir.%", "src.redshift"), {"cone-infrared", "cone-quasars"}),
    (registry.Spatial((54.6, -35.4)), SOUTH),
    (registry.Spatial((54.6, -35.4, 0.2)), SOUTH),
    (registry.Spatial((54.6, -35.4, 10)), SOUTH - {"patch"}),
    (registry.Spatial([54, -36, 55, -36, 54.6, -35]), SOUTH),
    (registry.Spatial((54.6, -35.4, 10), intersect="overlaps"), SOUTH),
    (registry.Spatial((54.6, -35.4, 10), intersect="enclosed"), {"obscore-slice", "patch"}),
    (registry.Spatial("3/1-3"), {*ALL_SKY, "plates", "several"}),
    (registry.Spectral(500 * u.nm), {"images2", "patch", "plates", "spectra"}),
    (registry.Spectral((88 * u.MHz, 1500 * u.MHz)), {"cone-radio"}),
    (registry.Spectral((1e-6 * u.m, 2e-6 * u.m)), {"cone-infrared"}),
    (registry.Spectral(1 * u.TeV), {"neutrinos"}),
    (registry.Temporal(Time("2014-06-01")), {"cone-infrared"}),
    (registry.Temporal((58050, 58060)), {"cone-radio"}),
    (registry.Temporal((58150, 58160)), set()),
)


@pytest.mark.parametrize(("constraint", "found"), CONSTRAINTS, ids=[type(each).__name__ for each, _ in CONSTRAINTS])
def test_constraints(server: Server, constraint: rtcons.Constraint, found: set[str]) -> None:
    assert search(constraint) == found


def test_constraints_on_vocabularies(server: Server) -> None:
    assert search(registry.Waveband("infrared", "neutrino")) == {"cone-infrared", "neutrinos", "tap"}
    assert search(registry.UAT("variable-stars", expand_down=2)) == {"cone-radio", "spectra"}


def test_inclusive_constraints_keep_what_says_nothing(server: Server) -> None:
    assert "org" in search(registry.Temporal((58150, 58160), inclusive=True))
    assert "cone-radio" not in search(registry.Temporal((58150, 58160), inclusive=True))
    assert "org" in search(registry.Spectral(1 * u.TeV, inclusive=True))


def test_constraints_are_joined_by_and(server: Server) -> None:
    assert search(registry.Spatial((54.6, -35.4)), registry.Waveband("infrared")) == {"cone-infrared"}
    assert search(keywords=["observations"], servicetype="tap", datamodel="obscore") == {"tap"}


def test_a_resource_leads_to_its_services(server: Server) -> None:
    (several,) = registry.search(ivoid=f"{FIRST}several")
    assert several.access_modes() == {"conesearch", "tap#aux", "web"}
    assert [one.access_url for one in several.list_interfaces("conesearch")] == [
        "https://obs.example/cone/hosts?",
        "https://obs.example/cone/sne?",
    ]
    hosts = several.get_service("conesearch", keyword="Host")
    assert isinstance(hosts, SCSService)
    assert hosts.baseurl == "https://obs.example/cone/hosts?"
    assert several.get_interface(service_type="web").access_url == "https://obs.example/sne"
    with pytest.raises(ValueError, match="No matching interface"):
        several.get_interface(service_type="ssa")
    (tap,) = registry.search(ivoid=f"{FIRST}tap")
    assert isinstance(tap.get_service("tap"), TAPService)


def test_a_resource_tells_about_itself(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    (plates,) = registry.search(ivoid=f"{FIRST}plates")
    assert plates.creators == ["Dube, A.", " Müller-Åström, Ö."]
    assert (plates.waveband, plates.content_levels, plates.content_types) == (["optical"], ["research"], ["archive"])
    assert (plates.created, plates.region_of_regard) == ("2019-03-04T05:06:07", None)
    assert plates.get_contact() == "Help desk <help@obs.example>"
    assert set(plates.get_alt_identifiers()) == {"doi:10.5555/plates", "orcid:0000-0001-2345-6789"}
    tables = plates.get_tables()
    assert set(tables) == {"plates.main", "plates.result"}
    assert [column.name for column in tables["plates.main"].columns] == ["ra", "dec", "epoch"]
    plates.describe(verbose=True)
    assert "Müller-Åström" in capsys.readouterr().out
    (quasars,) = registry.search(ivoid=f"{FIRST}cone-quasars")
    assert quasars.region_of_regard == pytest.approx(0.001)


def test_resources_are_found_by_their_short_names(server: Server) -> None:
    found = registry.search(servicetype="tap")
    assert found["ExObs TAP"].ivoid == f"{FIRST}tap"
    assert len(found.get_summary()) == 4


def test_a_server_without_coverage_is_told_apart(server: Server) -> None:
    class Without:
        tables: tuple[str, ...] = ()

        def get_tap_capability(self) -> Without:
            return self

        get_adql = get_tap_capability

        def get_feature(self, *_names: str) -> None:
            return None

    for constraint in (registry.Spatial((1, 2)), registry.Spectral(1.0), registry.Temporal(1.0)):
        with pytest.raises(registry.RegTAPFeatureMissing):
            constraint.get_search_condition(Without())
    assert "OR" in registry.Freetext("x").get_search_condition(Without()), "as older servers want it"


def test_the_condition_for_older_servers_finds_the_same(server: Server) -> None:
    query = (
        "SELECT DISTINCT ivoid FROM rr.resource NATURAL LEFT OUTER JOIN rr.res_subject WHERE "
        "1 = ivo_hasword(res_description, 'spiral') OR 1 = ivo_hasword(res_title, 'spiral') OR "
        "rr.res_subject.res_subject ILIKE '%spiral%'"
    )
    assert [row["ivoid"] for row in regtap.get_RegTAP_service().run_sync(query)] == [f"{FIRST}images"]


def test_a_table_in_parentheses_is_searched_by_word(server: Server) -> None:
    query = (
        "SELECT a.access_url FROM (rr.capability NATURAL JOIN rr.interface AS a) "
        "JOIN (rr.relationship AS b NATURAL JOIN rr.resource) ON (a.ivoid = b.related_id) "
        "WHERE 1 = ivo_hasword(res_title, 'plates') AND intf_role = 'std'"
    )
    assert {row["access_url"] for row in regtap.get_RegTAP_service().run_sync(query)} == {"https://obs.example/tap"}


def test_resources_are_listed_with_contacts_and_joined_subjects(server: Server) -> None:
    query = (
        "SELECT short_name, role_name, email, subjects, access_url FROM rr.resource AS res "
        "NATURAL JOIN rr.interface NATURAL JOIN rr.capability NATURAL LEFT OUTER JOIN rr.res_role "
        "NATURAL LEFT OUTER JOIN (SELECT ivoid, ivo_string_agg(res_subject, ', ') AS subjects FROM rr.res_subject "
        "GROUP BY ivoid) AS sbj WHERE (base_role = 'contact' OR base_role IS NULL) AND intf_role = 'std' "
        "AND standard_id IN ('ivo://ivoa.net/std/conesearch') AND (1 = ivo_hasWord(res_description, 'pulsars'))"
    )
    (row,) = regtap.get_RegTAP_service().run_sync(query)
    assert [str(value) for value in row.values()] == [
        "Pulsars",
        "Help desk",
        "help@obs.example",
        "pulsars, radio-astronomy",
        "https://obs.example/cone/pulsars?",
    ]


def test_coverages_can_be_grouped_and_selected(server: Server) -> None:
    query = (
        "SELECT coverage, COUNT(*) AS n, CONTAINS(MOC('3/1'), coverage) AS inside FROM rr.stc_spatial "
        "GROUP BY coverage HAVING 1 = INTERSECTS(coverage, MOC('3/0-40')) ORDER BY CONTAINS(MOC('0/0'), coverage), n"
    )
    rows = [(str(row["coverage"]), row["n"], row["inside"]) for row in regtap.get_RegTAP_service().run_sync(query)]
    assert set(rows[:-1]) == {("3/1-40 100", 1, 1), ("4/0-100", 1, 1), ("2/10-20", 1, 0)}
    assert rows[-1] == ("0/0-11", 2, 1)


def test_a_wrong_moc_is_an_error_with_its_place(server: Server) -> None:
    with pytest.raises(DALQueryError, match="this is no MOC"):
        search(registry.Spatial("6/1-99999999"))


def test_the_schema_says_what_it_is_and_capabilities_do_not_claim_the_whole_registry(server: Server) -> None:
    service = regtap.get_RegTAP_service()
    (row,) = service.run_sync("SELECT utype FROM tap_schema.schemas WHERE schema_name = 'rr'")
    assert row["utype"] == "ivo://ivoa.net/std/regtap#1.2"
    (count,) = service.run_sync("SELECT COUNT(*) AS n FROM tap_schema.columns WHERE table_name LIKE 'rr.%' AND std = 1")
    assert count["n"] == 121
    assert "regtap#" not in requests.get(f"{server.base}/tap/capabilities", timeout=30).text.lower()
