"""``python -m bench [service|serialisers]``: run measurements and print their tables."""

from __future__ import annotations

import sys

from bench import serialisers, service

BENCHES = {"serialisers": serialisers.main, "service": service.main}


def main() -> None:
    """Run the named measurements, all if none is named."""
    for name in sys.argv[1:] or list(BENCHES):
        BENCHES[name]()


main()
