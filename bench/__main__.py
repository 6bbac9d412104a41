"""``python -m bench [NAME...]``: run measurements and print their tables; `BENCHES` has their names."""

from __future__ import annotations

import sys
from importlib import import_module

BENCHES = (
    "serialisers",
    "service",
    "adql",
    "adding",
    "cone",
    "jobs",
    "executors",
    "soak",
    "lake",
    "links",
    "download",
    "soda",
    "facilities",
    "planner",
    "proxy",
    "dachs",
    "registry",
    "regtap",
)


def main() -> None:
    """Run the named measurements, all if none is named."""
    names = [argument for argument in sys.argv[1:] if argument in BENCHES]
    for name in names or BENCHES:
        import_module(f"bench.{name}").main()


main()
