"""``python -m bench [NAME...]``: run measurements and print their tables; ``BENCHES`` has their names."""

from __future__ import annotations

import sys

from bench import cone, executors, facilities, jobs, planner, registry, regtap, serialisers, service, soak

BENCHES = {
    "serialisers": serialisers.main,
    "service": service.main,
    "jobs": jobs.main,
    "cone": cone.main,
    "registry": registry.main,
    "regtap": regtap.main,
    "executors": executors.main,
    "facilities": facilities.main,
    "planner": planner.main,
    "soak": soak.main,
}


def main() -> None:
    """Run the named measurements, all if none is named."""
    names = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    for name in names or list(BENCHES):
        BENCHES[name]()


main()
