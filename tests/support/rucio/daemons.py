"""Rucio's own daemons in one process, with a transfer tool of the tests' that moves bytes over WebDAV.

``python daemons.py FOLDER``: every pass runs each daemon once. The file FOLDER/fail holds a text: transfers to URLs
that contain it fail. While FOLDER/hold exists nothing is transferred.
"""

from __future__ import annotations

import itertools
import logging
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from rucio.core import transfer as transfers
from rucio.daemons.abacus import account as abacus_account
from rucio.daemons.abacus import collection_replica as abacus_collection
from rucio.daemons.abacus import rse as abacus_rse
from rucio.daemons.conveyor import finisher, poller, submitter
from rucio.daemons.judge import cleaner, evaluator, repairer
from rucio.db.sqla.constants import RequestState
from rucio.transfertool.transfertool import TransferStatusReport, Transfertool, TransferToolBuilder

FOLDER = Path(sys.argv[1])
PAUSE_S = 0.2
JOBS: dict[str, dict[str, tuple[RequestState, str | None]]] = {}
HTTP = requests.Session()
sys.argv = [sys.argv[0]]  # Rucio's modules read it


def copy(transfer: Any) -> None:
    """Move the bytes of one file and check them on the way."""
    target, wanted = transfer.dest_url, transfer.rws.adler32
    failing = FOLDER / "fail"
    if failing.exists() and (text := failing.read_text()) and text in target:
        raise OSError(f"injected failure of {target}")
    data = HTTP.get(transfer.source_url(transfer.sources[0]), timeout=60)
    data.raise_for_status()
    if wanted and f"{zlib.adler32(data.content):08x}" != wanted:
        raise OSError("the checksum of the source is another")
    put = HTTP.put(target, data=data.content, timeout=60)
    if put.status_code == 409:  # no such folder
        make_folders(target)
        put = HTTP.put(target, data=data.content, timeout=60)
    put.raise_for_status()


def make_folders(url: str) -> None:
    """Make the folders above a URL, below the share."""
    parts = urlsplit(url)
    names = parts.path.split("/")[1:-1]
    for depth in range(2, len(names) + 1):
        HTTP.request("MKCOL", f"{parts.scheme}://{parts.netloc}/" + "/".join(names[:depth]), timeout=60)


class Report(TransferStatusReport):
    """What became of one transfer."""

    supported_db_fields = ("state", "external_id", "err_msg", "transferred_at")

    def __init__(self, request_id: str, external_id: str, state: RequestState, error: str | None) -> None:
        super().__init__(request_id, request=None)
        self.state, self.external_id, self.err_msg = state, external_id, error
        self.transferred_at = datetime.utcnow() if state == RequestState.DONE else None  # as Rucio keeps it

    def initialize(self, session: Any, logger: Any = logging.log) -> None:
        """Do nothing: everything is known."""

    def get_monitor_msg_fields(self, session: Any, logger: Any = logging.log) -> dict[str, Any]:
        """Return nothing."""
        return {}


class WebDavTool(Transfertool):
    """Copies from URL to URL in a thread."""

    external_name = "webdav"
    required_rse_attrs = ()
    supported_schemes = frozenset({"http", "https", "davs"})

    @classmethod
    def submission_builder_for_path(cls, transfer_path: Any, logger: Any = logging.log) -> Any:
        return transfer_path, TransferToolBuilder(cls, external_host=cls.external_name)

    def group_into_submit_jobs(self, transfer_paths: Any) -> list[dict[str, Any]]:
        return [{"transfers": list(itertools.chain.from_iterable(transfer_paths)), "job_params": {}}]

    def submit(self, transfers: Any, job_params: Any, timeout: Any = None) -> str:
        job = str(uuid.uuid4())
        JOBS[job] = {one.rws.request_id: (RequestState.SUBMITTED, None) for one in transfers}

        def work() -> None:
            for one in transfers:
                while (FOLDER / "hold").exists():
                    time.sleep(PAUSE_S)
                try:
                    copy(one)
                    JOBS[job][one.rws.request_id] = (RequestState.DONE, None)
                except Exception as error:  # noqa: BLE001  # whatever it was, Rucio is told
                    JOBS[job][one.rws.request_id] = (RequestState.FAILED, str(error)[:200])

        threading.Thread(target=work, daemon=True).start()
        return job

    def bulk_query(self, requests_by_eid: Any, timeout: Any = None) -> dict[str, dict[str, Report]]:
        answer: dict[str, dict[str, Report]] = {}
        for job, wanted in requests_by_eid.items():
            answer[job] = {}
            for request in wanted:
                state, error = JOBS.get(job, {}).get(request, (RequestState.LOST, "the tool was started again"))
                if state != RequestState.SUBMITTED:
                    answer[job][request] = Report(request, job, state, error)
        return answer

    def cancel(self, transfer_ids: Any, timeout: Any = None) -> bool:
        return True

    def update_priority(self, transfer_id: Any, priority: Any, timeout: Any = None) -> bool:
        return True


def passes() -> tuple[Callable[[], Any], ...]:
    """Return the daemons, in the order in which a rule needs them."""
    return (
        lambda: evaluator.re_evaluator(once=True, did_limit=1000),
        lambda: submitter.submitter(
            once=True, bulk=500, group_bulk=20, partition_wait_time=0, transfertools=[WebDavTool.external_name]
        ),
        lambda: poller.poller(once=True, older_than=0, partition_wait_time=0),
        lambda: finisher.finisher(once=True, partition_wait_time=0),
        lambda: repairer.rule_repairer(once=True),
        lambda: cleaner.rule_cleaner(once=True),
        lambda: abacus_account.account_update(once=True),
        lambda: abacus_rse.rse_update(once=True),
        lambda: abacus_collection.collection_replica_update(once=True),
    )


def main() -> None:
    """Run for ever."""
    transfers.TRANSFERTOOL_CLASSES_BY_NAME[WebDavTool.external_name] = WebDavTool
    while True:
        for daemon in passes():
            try:
                daemon()
            except Exception:
                logging.exception("a daemon failed")
        time.sleep(PAUSE_S)


main()
