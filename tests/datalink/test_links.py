"""Links that depend on more than the lake: on ObsCore, on what else runs, on who asks and from where."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from lxml import etree

from datalink.app import open_for
from datalink.core.services import Offered, Offers
from datalink.plugin import datalink as service
from execplanner.plugin import service as planner
from penstock.auth.challenges import Challenge
from penstock.auth.middleware import install_authentication
from penstock.auth.principal import ANONYMOUS, Principal
from penstock.lake.port import Did, DidType, Entry, Medium, Replica
from penstock.service import Resources
from tests.datalink.builders import NOW, MemoryLake, a_file, empty_catalogue, ending, mounted, observe, resources
from tests.datalink.test_web import VOTABLE, ask, overflowed
from uws.plugin import service as uws

OFFERS = Offers(
    cutouts=Offered(url="https://x.org/soda", standard_id="ivo://ivoa.net/std/SODA#sync-1.0"),
    jobs=Offered(url="https://x.org/uws/jobs", standard_id="ivo://ivoa.net/std/UWS#rest-1.1"),
    planner=Offered(url="https://x.org/accepts", standard_id="ivo://x.org/std/e#accepts-1.0"),
)


async def offering(aiohttp_client: Any, given: Resources, offers: Offers = OFFERS) -> TestClient:
    client: TestClient = await aiohttp_client(ending(await open_for(given, lambda _base: offers), "/datalink", given))
    return client


def descriptors(body: bytes) -> dict[str, etree._Element]:
    found = etree.fromstring(body).xpath("//v:RESOURCE[@type='meta'][@utype='adhoc:service']", namespaces=VOTABLE)
    return {one.get("ID"): one for one in found}


def values(descriptor: etree._Element, name: str) -> list[str]:
    return descriptor.xpath(f".//v:PARAM[@name='{name}']/v:VALUES/*/@value", namespaces=VOTABLE)


async def test_the_limits_of_a_file_come_from_obscore(aiohttp_client: Any) -> None:
    lake, db = MemoryLake(), empty_catalogue()
    for name in ("a.fits", "b.fits", "c.fits"):
        lake.add(a_file(name))
    observe(db, Did("demo", "a.fits"), dataproduct_type="image", s_ra=10.0, s_dec=20.0, s_fov=1.0)
    observe(db, Did("demo", "b.fits"), dataproduct_type="cube", em_min=0.2, em_max=0.21, pol_states="/I/Q/U/V/")
    client = await offering(aiohttp_client, resources(service, lake, db))
    rows, body = await ask(client, "demo:a.fits", "demo:b.fits", "demo:c.fits")
    used = {row["ID"]: row["service_def"] for row in rows if row["semantics"] == "#cutout"}
    assert set(used) == {"demo:a.fits", "demo:b.fits"}, "nothing says that the third is an image"
    found = descriptors(body)
    assert values(found[used["demo:a.fits"]], "CIRCLE") == ["10.0 20.0 0.5"]
    assert values(found[used["demo:b.fits"]], "BAND") == ["0.2", "0.21"]
    assert values(found[used["demo:b.fits"]], "POL") == ["I", "Q", "U", "V"]
    assert {row["content_qualifier"] for row in rows if row["ID"] == "demo:b.fits" and row["access_url"]} == {"#cube"}


async def test_every_service_def_has_its_descriptor_also_in_a_list_that_is_cut(aiohttp_client: Any) -> None:
    lake = MemoryLake()
    for name in ("a", "b", "c"):
        lake.add(a_file(name, metadata={"dataproduct_type": "image"}))
    client = await offering(aiohttp_client, resources(service, lake))
    for maxrec in ("1", "6", "12", "100"):
        rows, body = await ask(client, "demo:a", "demo:b", "demo:c", MAXREC=maxrec)
        assert {row["service_def"] for row in rows} - {""} == set(descriptors(body))
        assert overflowed(body) is (maxrec != "100")


async def test_a_thousand_ids_have_one_descriptor_of_each_kind(aiohttp_client: Any) -> None:
    lake = MemoryLake()
    ids = [f"demo:{number}" for number in range(1000)]
    for number in range(0, 1000, 2):
        lake.add(a_file(str(number), metadata={"dataproduct_type": "image"}))
    client = await offering(aiohttp_client, resources(service, lake))
    rows, body = await ask(client, *ids, post=True)
    assert list(dict.fromkeys(row["ID"] for row in rows)) == ids
    assert sum(row["error_message"].startswith("NotFoundFault") for row in rows) == 500
    assert set(descriptors(body)) == {"cutout", "staging", "compute"}
    assert lake.calls == 1
    again, _ = await ask(client, *ids, post=True)
    assert again == rows
    assert lake.calls == 2, "what was not found is asked for again, and nothing else"


@pytest.mark.parametrize(
    ("beside", "settings", "expected"),
    [
        ((), {}, set()),
        ((planner,), {}, {"compute"}),
        ((uws,), {}, set()),
        ((), {"jobs_url": "https://x.org/jobs"}, {"staging"}),
        ((), {"planner_url": "https://x.org/accepts"}, {"compute"}),
    ],
)
async def test_only_services_that_run_are_offered(
    aiohttp_client: Any, beside: Sequence[Any], settings: Mapping[str, str], expected: set[str]
) -> None:
    lake = MemoryLake()
    lake.add(a_file())
    given = resources(service, lake, beside=beside, **settings)
    client = await aiohttp_client(await mounted(service, given))
    _, body = await ask(client, "demo:a.fits")
    assert set(descriptors(body)) == expected
    if "compute" in expected and planner in beside:
        (url,) = descriptors(body)["compute"].xpath("v:PARAM[@name='accessURL']/@value", namespaces=VOTABLE)
        assert url == str(client.make_url("/execplanner/accepts"))


class Badges:
    """Tells callers apart by a header."""

    security_methods: Sequence[str] = ()
    challenges = (Challenge(scheme="Bearer"),)

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        groups = headers.get("X-Groups")
        return ANONYMOUS if groups is None else Principal(subject="ana", groups=frozenset(groups.split()))


async def test_groups_read_early_and_others_are_told_why_not(aiohttp_client: Any) -> None:
    lake, db = MemoryLake(), empty_catalogue()
    lake.add(a_file())
    observe(db, Did("demo", "a.fits"), obs_release_date=f"{NOW + timedelta(days=1):%Y-%m-%d}")
    given = resources(service, lake, db, authenticator=Badges(), early_access={"demo": ["survey"]}, delivery="redirect")
    app = await service.open(given)
    install_authentication(app, given.authenticator)
    client: TestClient = await aiohttp_client(ending(app, "/datalink", given))
    for groups, status in ((None, 401), ("other", 403), ("survey", 302)):
        headers = {} if groups is None else {"X-Groups": groups}
        response = await client.get("/datalink/data/demo/a.fits", headers=headers, allow_redirects=False)
        assert response.status == status
        assert ("WWW-Authenticate" in response.headers) is (status == 401)
        links = await client.get("/datalink/links?ID=demo:a.fits", headers=headers)
        assert (b"<TD>true</TD><TD>true</TD>" in await links.read()) is (status == 302)


async def test_a_release_date_that_cannot_be_read_keeps_the_embargo(aiohttp_client: Any) -> None:
    lake, db = MemoryLake(), empty_catalogue()
    lake.add(a_file())
    observe(db, Did("demo", "a.fits"), obs_release_date="soon")
    client = await aiohttp_client(await mounted(service, resources(service, lake, db)))
    assert (await client.get("/datalink/data/demo/a.fits")).status == 403


async def test_an_obscore_that_is_away_is_a_transient_fault_and_opens_nothing(aiohttp_client: Any) -> None:
    lake, db = MemoryLake(), empty_catalogue()
    lake.add(replace(a_file(), public_from=None))
    client = await aiohttp_client(await mounted(service, resources(service, lake, db)))
    os.unlink(db.url.database or "")  # noqa: PTH108  # text
    rows, _ = await ask(client, "demo:a.fits")
    assert [row["error_message"].partition(":")[0] for row in rows] == ["TransientFault"]
    assert (await client.get("/datalink/data/demo/a.fits")).status == 503


async def test_the_network_of_a_caller_tells_where_they_are_unless_they_say_it(aiohttp_client: Any) -> None:
    lake = MemoryLake()
    lake.add(a_file("a.fits", "paris", "perth", "trieste"))
    networks = {str(ip_network("127.0.0.0/8")): "perth", "10.0.0.0/8": "nowhere"}
    client = await aiohttp_client(await mounted(service, resources(service, lake, site_by_network=networks)))
    for more, sites in (({}, "perth trieste paris"), ({"SITE": "paris"}, "paris trieste perth")):
        rows, _ = await ask(client, "demo:a.fits", **more)
        assert [row["site"] for row in rows if row["site"]] == sites.split()


async def test_the_lake_s_own_distances_order_replicas(aiohttp_client: Any) -> None:
    lake = MemoryLake(ranks={"paris": {"trieste": 5, "perth": 2}})
    lake.add(a_file("a.fits", "paris", "perth", "trieste"))
    client = await aiohttp_client(await mounted(service, resources(service, lake)))
    rows, _ = await ask(client, "demo:a.fits", SITE="paris")
    assert [row["site"] for row in rows if row["site"]] == ["paris", "perth", "trieste"]


async def test_a_network_whose_site_the_lake_does_not_have_is_no_error(aiohttp_client: Any) -> None:
    lake = MemoryLake()
    lake.add(a_file())
    client = await aiohttp_client(
        await mounted(service, resources(service, lake, site_by_network={"127.0.0.0/8": "gone"}))
    )
    rows, _ = await ask(client, "demo:a.fits")
    assert [row["site"] for row in rows] == ["", "paris", "perth"]


async def test_containers_that_hold_each_other_are_listed_one_step_at_a_time(aiohttp_client: Any) -> None:
    lake = MemoryLake()
    a, b = Did("demo", "a"), Did("demo", "b")
    for did, other in ((a, b), (b, a)):
        lake.add(Entry(did=did, type=DidType.CONTAINER))
        lake.members[did] = (other,)
    client = await aiohttp_client(await mounted(service, resources(service, lake)))
    rows, _ = await ask(client, "demo:a", "demo:b")
    assert [row["semantics"].rpartition("/")[2] for row in rows] == ["#package", "terms#member"] * 2
    package = await client.get("/datalink/package/demo/a")
    assert (package.status, len(await package.read())) == (200, 10240), "an empty archive"


async def test_what_is_on_tape_offers_staging_to_the_sites_that_have_disks(aiohttp_client: Any) -> None:
    lake = MemoryLake()
    lake.known_sites = (*lake.known_sites, replace(lake.known_sites[0], name="vault", medium=Medium.TAPE))
    lake.add(a_file("tape", replicas=(Replica(site="vault", medium=Medium.TAPE),)))
    client = await offering(aiohttp_client, resources(service, lake))
    rows, body = await ask(client, "demo:tape")
    assert rows[0]["error_message"] == "TransientFault: demo:tape is on tape only, at vault, and must be staged first"
    assert [row["service_def"] for row in rows if row["service_def"]] == ["staging", "compute"]
    assert values(descriptors(body)["staging"], "SITE") == ["paris", "perth", "trieste"]
