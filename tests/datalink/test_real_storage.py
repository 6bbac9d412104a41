"""Downloads from a real web server, and what becomes of them when it is killed on the way."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from datalink.plugin import datalink as service
from penstock.lake.port import Replica
from tests.datalink.builders import MemoryLake, a_file, mounted, resources
from tests.support.redis import free_port
from tests.support.systems import require_command
from tests.uws.waiting import eventually

CONTENT = random.Random(7).randbytes(8_000_000)
CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ }}
http {{ access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
 uwsgi_temp_path {folder}; scgi_temp_path {folder};
 server {{ listen 127.0.0.1:{port}; root {folder}; limit_rate {rate}; limit_rate_after 1m; }} }}
"""


def _prepare(folder: Path, port: int, rate: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "a.fits").write_bytes(CONTENT)
    (folder / "nginx.conf").write_text(CONFIG.format(folder=folder, port=port, rate=rate))


@asynccontextmanager
async def nginx(folder: Path, *, rate: str = "0") -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """Serve a folder; give the port and the process, which may be killed."""
    command = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or require_command(
        "nginx", "apt install nginx-light"
    )
    port = free_port()
    await asyncio.to_thread(_prepare, folder, port, rate)
    process = await asyncio.create_subprocess_exec(
        command, "-c", str(folder / "nginx.conf"), stderr=asyncio.subprocess.DEVNULL
    )

    async def listens() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await eventually(listens)
    try:
        yield port, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_file_is_whole_though_its_storage_is_killed_on_the_way(aiohttp_client: Any, tmp_path: Path) -> None:
    async with nginx(tmp_path / "slow", rate="64k") as (slow, process), nginx(tmp_path / "fast") as (fast, _):
        replicas = tuple(
            Replica(site=site, url=f"http://127.0.0.1:{port}/a.fits") for site, port in (("a", slow), ("b", fast))
        )
        lake = MemoryLake()
        lake.add(a_file("a.fits", content=CONTENT, replicas=replicas))
        hosts = [{"host": f"127.0.0.1:{port}"} for port in (slow, fast)]
        client = await aiohttp_client(await mounted(service, resources(service, lake, storage=hosts)))
        async with client.get("/datalink/data/demo/a.fits") as answer:
            digest = hashlib.md5(await answer.content.readexactly(500_000))
            process.send_signal(signal.SIGKILL)
            async for piece in answer.content.iter_any():
                digest.update(piece)
        assert digest.hexdigest() == hashlib.md5(CONTENT).hexdigest()


async def test_ranges_of_a_real_storage_are_those_that_were_asked_for(aiohttp_client: Any, tmp_path: Path) -> None:
    async with nginx(tmp_path) as (port, _):
        lake = MemoryLake()
        replica = Replica(site="a", url=f"http://127.0.0.1:{port}/a.fits")
        lake.add(a_file("a.fits", content=CONTENT, replicas=(replica,)))
        hosts = [{"host": f"127.0.0.1:{port}"}]
        client = await aiohttp_client(await mounted(service, resources(service, lake, storage=hosts)))
        for asked, part in (("0-9", CONTENT[:10]), ("-7", CONTENT[-7:]), ("7999999-", CONTENT[-1:])):
            answer = await client.get("/datalink/data/demo/a.fits", headers={"Range": f"bytes={asked}"})
            assert (answer.status, await answer.read()) == (206, part)
