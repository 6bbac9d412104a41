"""Brokers are found in the registry, by the identifier that their own records make resolvable."""

from __future__ import annotations

from pathlib import Path

from execplanner.app import describe
from execplanner.plugin import service as execplanner
from execplanner.ports import Step
from penstock.db import Database
from penstock.migrations import upgrade
from registry.core.curation import CurationFile
from registry.core.record import STANDARD_TYPE, Record
from registry.core.voresource import rebase, resource_element
from registry.regtap_store import write_many
from registry.service.making import Described, RecordMaker
from tests.execplanner.hosting import MIGRATIONS, MemoryExecutor, Site, record, serving
from tests.execplanner.test_federation import places, warnings

STANDARD = "ivo://federation.example/std/executionbroker"
PEER = "peer.example"


def published(site: Site, authority: str) -> tuple[Record, ...]:
    """Return what the registry of a deployment publishes of itself, were it of an authority."""
    settings = site.resources.settings.model_copy(update={"authority": authority})
    about = Described(name=execplanner.name, path=execplanner.path, description=describe(settings, execplanner.path))
    return RecordMaker(authority, CurationFile()).of_deployment([about])


async def fill(url: str, records: tuple[Record, ...], base_url: str) -> None:
    """Put the records of a deployment into the registry's tables, as a harvest does."""
    elements = {one.ivoid: resource_element(one) for one in records}
    for element in elements.values():
        rebase(element, base_url)
    db = Database(url)
    await upgrade(db, {**MIGRATIONS, "registry": "registry.migrations"})
    async with db.write() as connection:
        await write_many(connection, elements)
    await db.close()


async def test_a_peer_that_is_registered_is_asked_and_we_do_not_ask_ourselves(tmp_path: Path) -> None:
    peer_folder, own_folder = tmp_path / "peer", tmp_path / "own"
    for folder in (peer_folder, own_folder):
        folder.mkdir()
    executor, url = MemoryExecutor(steps=(Step.RUNNING,)), f"sqlite:///{own_folder / 'test.db'}"
    async with serving(peer_folder, records=[record("theirs")], executor=executor, standard_id=STANDARD) as peer:
        base_url = str(peer.client.make_url("/")).rstrip("/")
        await fill(url, (*published(peer, PEER), *published(peer, "penstock.example")), base_url)
        own = serving(
            own_folder, url, records=[record("ours")], discover_peers=True, standard_id=STANDARD, allow_private=True
        )
        async with own as site:
            document = await site.ask()
            assert sorted(places(document)) == ["ours", "theirs"]
            ids = dict(zip(places(document), [one["meta"]["uuid"] for one in document["offers"]], strict=True))
            assert (await site.set_phase(ids["theirs"], "ACCEPTED"))[0] == 200


async def test_a_registered_peer_at_a_private_address_is_not_reached_unless_that_is_allowed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'test.db'}"
    async with serving(tmp_path, url, discover_peers=True, standard_id=STANDARD, records=[record("ours")]) as site:
        await fill(url, published(site, PEER), "http://127.0.0.1:1")
        document = await site.ask()
        assert places(document) == ["ours"]
        assert warnings(document).count("urn:peer-error") == 1


async def test_each_interface_has_a_key_in_the_record_of_the_standard_that_its_standard_id_names(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as site:
        records = published(site, PEER)
        (standard,) = (one for one in records if one.type == STANDARD_TYPE)
        (broker,) = (one for one in records if one.ivoid.endswith(f"/{execplanner.name}"))
        own = {one.standard_id for one in broker.capabilities if not str(one.standard_id).startswith("ivo://ivoa.net/")}
        assert standard.endorsed is not None
        assert own == {f"{standard.ivoid}#{key}" for key, _ in standard.endorsed.keys}
