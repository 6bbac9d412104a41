"""``python -m tests.fuzz adql|votable [arguments of libFuzzer]``."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main() -> None:
    """Fuzz one target, begun with its seeds."""
    import atheris

    with atheris.instrument_imports(include=["tap_proxy", "penstock", "lark"]):
        from tests.fuzz.seeds import SEEDS
        from tests.fuzz.targets import TARGETS

    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        sys.exit(f"usage: python -m tests.fuzz {'|'.join(TARGETS)} [arguments of libFuzzer]")
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for number, seed in enumerate(SEEDS[name]()):
        folder.joinpath(f"{number:04}").write_bytes(seed)
    atheris.Setup([sys.argv[0], *sys.argv[2:], str(folder)], TARGETS[name])
    atheris.Fuzz()


main()
