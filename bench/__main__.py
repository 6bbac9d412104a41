"""``python -m bench [jobs|serialisers|service]``: run measurements and print their tables."""

from __future__ import annotations

import sys

from bench import jobs, serialisers, service

BENCHES = {"serialisers": serialisers.main, "service": service.main, "jobs": jobs.main}


def main() -> None:
    """Run the named measurements, all if none is named."""
    for name in sys.argv[1:] or list(BENCHES):
        BENCHES[name]()


main()
