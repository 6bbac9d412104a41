from __future__ import annotations

import pytest

from penstock.lake.judge import Copy, Known, Offer, Verdict, judge
from penstock.lake.port import ReplicaState

THERE, GONE = ReplicaState.AVAILABLE, ReplicaState.UNAVAILABLE
OFFER = Offer(site="a", path="/x", size_bytes=10, md5="one")


def known(*copies: tuple[str, str, ReplicaState], md5: str = "one") -> Known:
    made = tuple(Copy(site=site, path=path, state=state) for site, path, state in copies)
    return Known(size_bytes=10, md5=md5, copies=made)


@pytest.mark.parametrize(
    ("file", "other_is_there", "verdict", "new_content", "withdraw"),
    [
        (None, False, Verdict.ADDED, True, False),
        (known(), False, Verdict.ADDED, False, False),
        (known(("b", "/x", THERE)), False, Verdict.ADDED, False, False),
        (known(("a", "/x", THERE)), False, Verdict.UNCHANGED, False, False),
        (known(("a", "/x", GONE)), False, Verdict.UPDATED, False, False),
        (known(("a", "/old", THERE)), False, Verdict.UPDATED, False, False),
        (known(("a", "/old", THERE)), True, Verdict.REFUSED, False, False),
        (known(("a", "/old", THERE), md5="two"), True, Verdict.REFUSED, False, False),
        (known(("a", "/x", THERE), md5="two"), False, Verdict.UPDATED, True, False),
        (known(("a", "/x", THERE), ("b", "/y", THERE), md5="two"), False, Verdict.REFUSED, False, True),
        (known(("b", "/y", THERE), md5="two"), False, Verdict.REFUSED, False, False),
        (known(("a", "/x", THERE), ("b", "/y", GONE), md5="two"), False, Verdict.UPDATED, True, False),
        (known(md5="two"), False, Verdict.UPDATED, True, False),
    ],
)
def test_verdicts(
    file: Known | None, other_is_there: bool, verdict: Verdict, new_content: bool, withdraw: bool
) -> None:
    decision = judge(OFFER, file, other_is_there=other_is_there)
    assert (decision.verdict, decision.new_content, decision.withdraw) == (verdict, new_content, withdraw)
    assert (decision.reason is not None) == (verdict is Verdict.REFUSED)
