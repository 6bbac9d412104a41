"""Quotas as clients meet them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.settings import SettingsError
from tests.uws.hosting import make_settings, open_resources
from tests.uws.house import open_idle
from tests.uws.web.client import Client, client_of, create, document, get
from uws.app import open_jobs
from uws.core.job import Phase

pytestmark = pytest.mark.asyncio(loop_scope="package")
ONE = {"max_active": 1, "max_kept": 3}


async def status_of(client: Client, path: str, **fields: str) -> int:
    """Post a form and return the status; a refusal must say when to come back."""
    async with client.post(path, data=fields, allow_redirects=False) as answer:
        assert (int(answer.headers.get("Retry-After", 0)) > 0) is (answer.status == 429)
        return answer.status


async def test_what_is_over_a_quota_is_429_and_says_when_to_come_back(tmp_path: Path) -> None:
    async with client_of(tmp_path, open_executor=open_idle, quota=ONE) as (client, _):
        first, second = await create(client, PHASE="RUN"), await create(client)
        assert await status_of(client, f"{second}/phase", PHASE="RUN") == 429
        assert await status_of(client, "/uws/jobs", JOBTYPE="echo", PHASE="RUN") == 429
        assert (await document(client, second)).phase is Phase.PENDING
        await create(client)
        assert await status_of(client, "/uws/jobs", JOBTYPE="echo") == 429
        assert await status_of(client, "/async") == 429
        assert await status_of(client, first, ACTION="DELETE") == 303
        assert await status_of(client, f"{second}/phase", PHASE="RUN") == 303
        assert (await document(client, second)).phase is Phase.QUEUED


@pytest.mark.requirement("U-010")
async def test_where_policy_holds_run_leads_to_a_held_job(tmp_path: Path) -> None:
    async with client_of(tmp_path, open_executor=open_idle, quota=ONE, at_quota="hold") as (client, _):
        first, second = await create(client, PHASE="RUN"), await create(client, PHASE="RUN")
        assert (await document(client, second)).phase is Phase.HELD
        assert await status_of(client, f"{second}/phase", PHASE="RUN") == 303
        assert (await document(client, f"{second}?WAIT=60")).phase is Phase.HELD
        assert "RUN" in (await get(client, second, "application/json"))[2]
        assert await status_of(client, f"{first}/phase", PHASE="ABORT") == 303
        assert await status_of(client, f"{second}/phase", PHASE="RUN") == 303
        assert (await document(client, second)).phase is Phase.QUEUED


async def test_a_quota_for_a_type_that_there_is_not_is_refused_at_start(tmp_path: Path) -> None:
    own: dict[str, Any] = {"type_quotas": {"slep": {"max_active": 1}}}
    async with open_resources(make_settings(tmp_path, **own)) as resources:
        with pytest.raises(SettingsError, match="there is no job type 'slep'"):
            await open_jobs(resources, job_types={}, open_executor=open_idle)
