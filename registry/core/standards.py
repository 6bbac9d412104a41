"""The interfaces of Penstock that no IVOA standard names: their records make the standardIDs resolvable.

They live under the authority of the deployment, never under that of the IVOA (StandardsRegExt 1.0 s2).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnStandard:
    """An interface of ours; `path` is that of its identifier, `keys` are (name, description)."""

    path: str
    service: str
    title: str
    text: str
    version: str
    subjects: tuple[str, ...]
    keys: tuple[tuple[str, str], ...] = ()


STANDARDS = (
    OwnStandard(
        path="std/executionbroker",
        service="execplanner",
        title="Execution Planner and Execution Broker interfaces",
        text="Asks whether, where and when a computing task can run, and runs it: the interface of the IVOA note on "
        "execution planning and that of the Execution Broker 1.0.7, which no standard identifier names yet.",
        version="1.0",
        subjects=("computational-methods",),
        keys=(
            ("accepts-1.0", "Tells whether a facility takes a task, by GET or POST."),
            ("requests-1.0", "Answers a request, by POST, with offers that hold until they expire."),
            ("direct-1.0", "Makes the best offer for a request and accepts it, by POST."),
            ("sessions-1.0", "Shows an offer or a session by GET, and changes its phase by POST."),
        ),
    ),
    OwnStandard(
        path="std/uws-json",
        service="uws",
        title="JSON form of UWS",
        text="Job lists, jobs and job types of a UWS 1.1 service as JSON: asked for by RESPONSEFORMAT=json or by "
        "the Accept header, and posted as application/json. The meaning of every member is that of UWS 1.1.",
        version="1.0",
        subjects=("computational-methods",),
        keys=(
            ("jobs-1.0", "The job list and its jobs."),
            ("jobtypes-1.0", "The job types that a service runs, with their parameters."),
        ),
    ),
)
