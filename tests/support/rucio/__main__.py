"""``make lake``: the Rucio of the tests, for a developer."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress

from tests.support.rucio import sample
from tests.support.rucio.environment import install
from tests.support.rucio.server import running_rucio


def main() -> None:
    """Make the environment; with no argument start Rucio, say how to use it and wait for Ctrl-C."""
    print(f"Rucio's environment: {install()}", flush=True)
    if sys.argv[1:] == ["install"]:
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # everything is ended by what the block leaves
    with running_rucio() as rucio:
        account, user, password = sample.SERVICE
        print(f"Rucio at {rucio.url}, storage at {rucio.storage}, everything in {rucio.folder}")
        print(f"{sample.DATASETS * sample.FILES_PER_DATASET} files in the scope {sample.SCOPE}. In another terminal:\n")
        settings = {"LAKE": "rucio", "RUCIO__URL": rucio.url, "RUCIO__ACCOUNT": account, "RUCIO__USERNAME": user}
        for name, value in (settings | {"RUCIO__PASSWORD": password, "RUCIO__PUBLIC_SCOPES": '["*"]'}).items():
            print(f"  export PENSTOCK_{name}='{value}'")
        print(f"  penstock lake harvest {sample.SCOPE} && penstock serve\n\nCtrl-C ends it.", flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
