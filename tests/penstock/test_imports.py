"""What processes load before they are asked for anything: every start of a server, a command or a job pays for it."""

from __future__ import annotations

import subprocess
import sys

LOADS = "import sys, uws.worker_app; from penstock.context import complete_settings_type; complete_settings_type()"
SLOW = ("alembic", "astropy", "mocpy", "pyvo", "xmlschema", "celery")


def test_nothing_slow_is_loaded_that_only_some_requests_need() -> None:
    told = subprocess.run(
        [sys.executable, "-c", f"{LOADS}; print(*sys.modules)"], capture_output=True, text=True, check=True, timeout=120
    )
    assert set(SLOW) & set(told.stdout.split()) == set()
