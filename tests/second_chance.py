"""A second chance, alone, for a few tests that failed beside others: ``python -m tests.second_chance`` in `.ci/run`.

Of thousands of tests with real systems, on a small machine one loses a race now and then that its surroundings make.
Which it was is said aloud, so that somebody mends it; one that fails again fails the build, and so does whatever is no
failure of single tests: many at once, files that cannot be read, a run that was broken off.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pytest

MOST = 5
FAILED = "cache/lastfailed"
STATUS = "penstock/exit_status"
_CACHE = Path(".pytest_cache/v")
_RULE = "!" * 100


def run_again(status: int | None, failed: Collection[str], run: Callable[[Sequence[str]], int]) -> int:
    """Run tests again if that is fair, and return the exit status of the build.

    Parameters
    ----------
    status
        How the first run ended; ``None`` if it did not come to its end.
    failed
        The node ids of what failed.
    run
        Runs tests by their node ids and returns pytest's exit status.
    """
    single = bool(failed) and all("::" in test for test in failed)
    if status != pytest.ExitCode.TESTS_FAILED or not single or len(failed) > MOST:
        _say(f"No second chance: it is for {MOST} failed tests at most of a run that came to its end.", ())
        return 1
    tests = sorted(failed)
    _say("These tests failed; they run again, alone.", tests)
    if run(tests) != pytest.ExitCode.OK:
        _say("Of these tests, some failed twice (above).", tests)
        return 1
    _say("FLAKY: these tests failed at first and passed alone. Each is a race to be mended.", tests)
    return 0


def _say(what: str, tests: Sequence[str]) -> None:
    sys.stdout.write("\n".join(["", _RULE, what, *(f"  {test}" for test in tests), _RULE, ""]))
    sys.stdout.flush()


def _cached(name: str) -> object:
    try:
        return json.loads((_CACHE / name).read_text())
    except FileNotFoundError:
        return None


def main() -> int:
    """Give the tests that failed in the last run of pytest in this folder their second chance."""
    status, failed = _cached(STATUS), _cached(FAILED)
    return run_again(
        status if isinstance(status, int) else None,
        failed if isinstance(failed, dict) else {},
        lambda tests: subprocess.run([sys.executable, "-m", "pytest", *tests], check=False).returncode,
    )


if __name__ == "__main__":
    sys.exit(main())
