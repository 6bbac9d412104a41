from __future__ import annotations

from datetime import timedelta

import pytest

from penstock.auth.principal import ANONYMOUS, Principal
from penstock.dali.errors import AuthenticationRequired, Forbidden, TooLarge
from penstock.dali.params import Part
from uws.ports import JobContext, JobType, Limits
from uws.service.limits import limited, may_create, require_role, require_small
from uws.service.policy import Policy

DAY = timedelta(days=1)


async def nothing(context: JobContext) -> None: ...


def make(limits: Limits = Limits(), roles: tuple[str, ...] = ()) -> JobType:  # noqa: B008  # frozen
    return JobType(name="t", version="1", title="", description="", run=nothing, limits=limits, roles=frozenset(roles))


@pytest.mark.parametrize(
    ("deployment", "own", "wish", "duration"),
    [
        ((60, 0), (None, None), None, 60),
        ((60, 0), (10, None), None, 10),
        ((60, 0), (10, 20), 100, 20),
        ((60, 0), (10, 20), 0, 20),
        ((60, 30), (None, None), None, 30),
        ((60, 30), (10, 100), 100, 30),
        ((60, 30), (10, 20), 25, 20),
        ((60, 0), (0, 0), 100, 100),
        ((60, 0), (0, None), None, 0),
    ],
)
def test_the_narrower_duration_holds(
    deployment: tuple[int, int], own: tuple[int | None, int | None], wish: int | None, duration: int
) -> None:
    policy = Policy(default_duration_s=deployment[0], max_duration_s=deployment[1])
    job_type = make(Limits(default_duration_s=own[0], max_duration_s=own[1]))
    assert limited(policy, job_type).duration_s(wish) == duration


@pytest.mark.parametrize(
    ("deployment", "own", "longest"),
    [
        ((30 * DAY, None), (None, None), None),
        ((30 * DAY, 9 * DAY), (DAY, 10 * DAY), 9 * DAY),
        ((None, None), (None, DAY), DAY),
    ],
)
def test_the_narrower_lifetime_holds(
    deployment: tuple[timedelta | None, ...], own: tuple[timedelta | None, ...], longest: timedelta | None
) -> None:
    policy = limited(
        Policy(default_lifetime=deployment[0], max_lifetime=deployment[1]),
        make(Limits(default_lifetime=own[0], max_lifetime=own[1])),
    )
    assert policy.max_lifetime == longest
    assert policy.default_lifetime == (own[0] or deployment[0])


@pytest.mark.parametrize(
    ("caller", "error"),
    [
        (ANONYMOUS, AuthenticationRequired),
        (Principal(subject="bob"), Forbidden),
        (Principal(subject="bob", groups=frozenset({"others"})), Forbidden),
        (Principal(subject="alice", groups=frozenset({"b", "c"})), None),
        (Principal(subject="root", admin=True), None),
    ],
)
def test_a_type_with_roles_is_for_their_members(caller: Principal, error: type[Exception] | None) -> None:
    job_type = make(roles=("a", "b"))
    assert may_create(job_type, caller) == (error is None)
    if error is None:
        require_role(job_type, caller)
    else:
        with pytest.raises(error, match="members of: a, b"):
            require_role(job_type, caller)
    require_role(make(), caller)


def test_files_are_bounded_together() -> None:
    parts = [Part(name="a", content=b"", size_bytes=5), Part(name="b", content=b"", size_bytes=6)]
    require_small(make(), parts)
    require_small(make(Limits(max_upload_bytes=11)), parts)
    with pytest.raises(TooLarge, match="10 bytes"):
        require_small(make(Limits(max_upload_bytes=10)), parts)
