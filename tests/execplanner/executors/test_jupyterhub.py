from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
import requests

from execplanner.executors.contract import ExecutorContract, at_work, settled
from execplanner.executors.jupyterhub import JupyterHubExecutor, JupyterHubOptions
from execplanner.ports import Executor, Step, Work
from penstock.auth.principal import ANONYMOUS
from penstock.dali.errors import ServiceUnavailable, UsageError
from tests.execplanner.executors.works import notebook, notebook_of
from tests.execplanner.story import DID, location_of, require_near_first, story, wait_until
from tests.support.jupyter import Hub, jupyter, jupyterhub
from tests.support.redis import free_port

__all__ = ["jupyter"]
FAR_AWAY = {"executors": {"process": {"plugin": "process", "options": {"jupyter_execute": "/bin/false"}}}}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, jupyter: Path) -> Iterator[Hub]:
    with jupyterhub(tmp_path_factory.mktemp("jupyterhub") / "own", jupyter) as running:
        yield running


def opened(hub: Hub, **more: Any) -> JupyterHubExecutor:
    return JupyterHubExecutor(JupyterHubOptions(url=hub.url, token_file=hub.token_file, interface="tree", **more))


@pytest.fixture
def executor(hub: Hub) -> Executor:
    return opened(hub)


class TestJupyterHub(ExecutorContract):
    interactive = True

    @pytest.fixture
    def endless(self, tmp_path: Path) -> Work:
        return notebook(tmp_path)

    @pytest.fixture
    def brief(self, endless: Work) -> Work:
        return endless

    @pytest.fixture
    def broken(self, endless: Work) -> Work:
        return endless

    def reopened(self, executor: Executor) -> Executor:
        assert isinstance(executor, JupyterHubExecutor)
        return JupyterHubExecutor(executor.options)


async def test_the_connector_leads_to_the_notebook_and_the_server_ends_whole(
    executor: Executor, hub: Hub, tmp_path: Path
) -> None:
    before = set(psutil.Process(hub.pid).children(recursive=True))
    given = notebook(tmp_path, "print('found')")
    await executor.prepare(given)
    handle = await executor.start(given)
    state = await settled(executor, handle, at_work)
    (connector,) = state.connectors
    assert connector.location.startswith(f"{hub.url}/user/ada/")
    assert re.search(r"/tree/sky-[0-9a-f]{8}\.ipynb$", connector.location)
    contents = connector.location.replace("/tree/", "/api/contents/")
    headers = {"Authorization": f"token {hub.token_file.read_text()}"}
    async with aiohttp.ClientSession() as session, session.get(contents, headers=headers) as response:
        assert (await response.json())["content"]["cells"][0]["source"] == "print('found')"
    servers = set(psutil.Process(hub.pid).children(recursive=True)) - before
    assert servers
    await executor.cancel(handle)
    assert psutil.wait_procs(list(servers), timeout=30)[1] == []
    await executor.release(handle)
    assert (await executor.poll(handle)).step is Step.CANCELLED


async def test_what_an_owner_has_changed_is_not_overwritten_and_a_shutdown_ends_the_session(
    executor: Executor, hub: Hub, tmp_path: Path
) -> None:
    given = notebook(tmp_path)
    await executor.prepare(given)
    handle = await executor.start(given)
    state = await settled(executor, handle, at_work)
    contents = state.connectors[0].location.replace("/tree/", "/api/contents/")
    headers = {"Authorization": f"token {hub.token_file.read_text()}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        async with session.delete(contents) as response:
            assert response.status == 204
        assert (await opened(hub).poll(handle)).step is Step.AVAILABLE
        async with session.get(contents) as response:
            assert response.status == 404
        server = state.connectors[0].location.split("/")[5]
        async with session.delete(f"{hub.url}/hub/api/users/ada/servers/{server}") as response:
            assert response.status in (202, 204)
    assert (await settled(executor, handle, lambda state: state.step.ended)).step is Step.COMPLETED
    await executor.release(handle)


async def test_anonymous_owners_need_a_user_that_the_options_name(executor: Executor, hub: Hub, tmp_path: Path) -> None:
    nobody = replace(notebook(tmp_path), owner=ANONYMOUS)
    with pytest.raises(UsageError, match="who say who they are"):
        await executor.prepare(nobody)
    await opened(hub, anonymous="guest").prepare(nobody)


async def test_a_hub_that_is_away_or_refuses_us_is_not_the_works_fault(hub: Hub, tmp_path: Path) -> None:
    away = JupyterHubExecutor(JupyterHubOptions(url=f"http://127.0.0.1:{free_port()}"))
    stranger = JupyterHubExecutor(JupyterHubOptions(url=hub.url))
    for executor in (away, stranger):
        assert await executor.probe() is not None
        with pytest.raises(ServiceUnavailable):
            await executor.start(notebook(tmp_path))


async def test_a_server_whose_starter_was_killed_before_the_answer_came_is_stopped(
    executor: Executor, hub: Hub, tmp_path: Path
) -> None:
    given = notebook(tmp_path)
    await executor.prepare(given)
    handle = await executor.start(given)
    (given.folder / ".executor" / "remote").unlink()  # as if the starter had been killed in between
    before = servers(hub, "ada")
    await opened(hub).cancel(handle)
    assert len(servers(hub, "ada")) == len(before) - 1
    await opened(hub).release(handle)
    assert (await executor.poll(handle)).step is Step.CANCELLED


def servers(hub: Hub, user: str) -> set[str]:
    """Return the names of the servers of a user that run or start."""
    headers = {"Authorization": f"token {hub.token_file.read_text()}"}
    answer = requests.get(f"{hub.url}/hub/api/users/{user}", headers=headers, timeout=30)
    return set(answer.json().get("servers", {}))


def test_a_notebook_next_to_its_data_opens_on_jupyterhub_and_is_released(hub: Hub, tmp_path: Path) -> None:
    options = {"url": hub.url, "token_file": str(hub.token_file), "interface": "tree", "anonymous": "guest"}
    with story(tmp_path, {"executors": {"hub": {"plugin": "jupyterhub", "options": options}}}, FAR_AWAY) as told:
        (told.files / "sky.ipynb").write_bytes(notebook_of("print('found')"))
        notebook_url = f"{told.files_url}/sky.ipynb"
        offer = require_near_first(told.plan(notebook_url, "--data", DID, "--duration", "10m"))
        url, request = offer["meta"]["url"], {"executable": offer["executable"]}
        told.set_phase(url, "ACCEPTED")
        session, seen = told.follow(url, lambda found: found["phase"] == "AVAILABLE")
        assert set(seen) <= {"ACCEPTED", "PREPARING", "AVAILABLE"}
        assert not told.has_room(request)
        headers = {"Authorization": f"token {hub.token_file.read_text()}"}
        contents = location_of(session, "jupyter").replace("/tree/", "/api/contents/")
        opened_there = requests.get(contents, headers=headers, timeout=30)
        assert opened_there.status_code == 200
        assert opened_there.json()["content"]["cells"][0]["source"] == "print('found')"
        assert told.set_phase(url, "CANCELLED")["phase"] == "CANCELLED"
        assert told.has_room(request)
        wait_until(lambda: servers(hub, "guest") == set())
