"""One server for all that only look at its answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.uws.web.client import Client, client_of


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def client(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with client_of(tmp_path_factory.mktemp("web"), max_wait_s=30) as (client, _):
        yield client
