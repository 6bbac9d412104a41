from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import psutil
import pytest

from execplanner.executors.contract import ExecutorContract, at_work, settled
from execplanner.executors.jupyterhub import JupyterHubExecutor, JupyterHubOptions
from execplanner.executors.slurm import SlurmExecutor, SlurmOptions
from execplanner.ports import Executor, Mount, Step, Work
from penstock.auth.principal import ANONYMOUS
from penstock.dali.errors import ServiceUnavailable, UsageError
from tests.execplanner.executors.works import notebook
from tests.support.jupyter import Hub, jupyter, jupyterhub
from tests.support.redis import free_port
from tests.support.slurm import slurm
from tests.uws.job_types.context import require_sandbox

__all__ = ["jupyter"]
CODE = (
    "import os, pathlib\n"
    "total = sum(map(int, pathlib.Path('/data/numbers').read_text().split()))\n"
    "pathlib.Path(os.environ['PENSTOCK_RESULTS'], 'total').write_text(str(total))\n"
    "print(total)"
)


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


async def test_a_notebook_runs_by_itself_on_slurm(jupyter: Path, tmp_path: Path) -> None:
    require_sandbox()
    numbers = tmp_path / "numbers"
    numbers.write_text("40 2")
    mounts = (Mount(path="/data/numbers", source=numbers),)
    given = notebook(tmp_path, CODE, mounts=mounts, memory_bytes=3 * 2**30)
    with slurm(tmp_path / "slurm") as configuration:
        visible = (jupyter, Path(sys.base_prefix))
        options = SlurmOptions(
            configuration=configuration, jupyter_execute=f"{jupyter}/bin/jupyter-execute", read_only=visible
        )
        executor = SlurmExecutor(options)
        await executor.prepare(given)
        handle = await executor.start(given)
        state = await settled(executor, handle, lambda state: state.step.ended)
        assert state.step is Step.COMPLETED, state
        await executor.release(handle)
    assert (given.folder / "results" / "total").read_text() == "42"
    executed = orjson.loads((given.folder / "results" / "notebook.ipynb").read_bytes())
    assert executed["cells"][0]["outputs"][0]["text"] == ["42\n"]
