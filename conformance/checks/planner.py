"""The Execution Planner of the note of 2022: may a task run here? A kind of task that may comes from the profile."""

from __future__ import annotations

import json
from typing import Any, Final

from conformance.bench import Bench, Pairs
from conformance.client import Reply, Request
from conformance.documents import succeeded
from conformance.model import Level, NotApplicable, require
from conformance.registry import check

UNKNOWN: Final = "uri://no-such-kind-of-task"
JSON: Final = {"Accept": "application/json"}
# media type: what a document of it begins with
FORMS: Final = {"application/json": b"{", "text/yaml": b"re", "application/xml": b"<"}


async def ask(bench: Bench, question: Pairs) -> dict[str, Any]:
    """Ask, and return the answer."""
    return _answer(await bench.get(bench.url, question, headers=JSON))


def _answer(reply: Reply) -> dict[str, Any]:
    told = succeeded(reply).media_type
    require(told == "application/json", f"the answer is sent as {told or 'nothing'} instead of application/json")
    try:
        answer = json.loads(reply.body)
    except ValueError as error:
        answer = str(error)
    require(isinstance(answer, dict), f"the answer is no JSON object: {str(answer)[:80]}")
    word = answer.get("reponseword")
    require(word in {"YES", "NO"}, f"the reponseword is {word!r}", "The note spells it so, without an s.")
    return dict(answer)


def _kind(bench: Bench) -> str:
    if not bench.profile.task_type:
        raise NotApplicable("no kind of task is known: name one in the profile")
    return bench.profile.task_type


@check("planner.unknown-kind", "2")
async def unknown_kind(bench: Bench) -> None:
    """A kind of task that nobody knows is answered by NO (Execution Planner 2022 s2)."""
    word = (await ask(bench, {"tasktype": UNKNOWN}))["reponseword"]
    require(word == "NO", f"a kind of task that nobody knows is answered by {word}")


@check("planner.known-kind", "2")
async def known_kind(bench: Bench) -> None:
    """A kind of task that may run is answered by YES, and by where to take it (Execution Planner 2022 s2)."""
    answer = await ask(bench, {"tasktype": _kind(bench)})
    require(answer["reponseword"] == "YES", f"tasktype={_kind(bench)} is answered by {answer['reponseword']}")
    ways = [answer, *(one for one in answer.get("interfaces") or [] if isinstance(one, dict))]
    require(any(one.get("servicetype") and one.get("serviceinfo") for one in ways), "no service is named")


@check("planner.too-much", "4")
async def too_much(bench: Bench) -> None:
    """A task that needs more than anybody has is answered by NO (Execution Planner 2022 s4)."""
    word = (await ask(bench, {"tasktype": _kind(bench), "resources.mincores": "1000000000"}))["reponseword"]
    require(word == "NO", f"a task of 1000000000 cores is answered by {word}")


@check("planner.form", "2")
async def form(bench: Bench) -> None:
    """A question can be sent as a form of several parts (Execution Planner 2022 s2)."""
    question = (("tasktype", UNKNOWN),)
    sent = Request(method="POST", url=bench.url, form=question, headers=JSON, multipart=True, follow=True)
    require(_answer(await bench.send(sent))["reponseword"] == "NO", "the form is not answered as the query is")


@check("planner.formats", "2", Level.SHOULD)
async def formats(bench: Bench) -> None:
    """The answer comes as JSON, YAML or XML, as is accepted (Execution Planner 2022 s2)."""
    for media, start in FORMS.items():
        reply = succeeded(await bench.get(bench.url, {"tasktype": UNKNOWN}, headers={"Accept": media}))
        fits = reply.media_type.rpartition("/")[2].removeprefix("x-") == media.rpartition("/")[2]
        require(fits and reply.body.lstrip().startswith(start), f"Accept: {media} is answered by {reply.media_type}")


@check("planner.no-kind", "2", Level.SHOULD)
async def no_kind(bench: Bench) -> None:
    """A question without a kind of task is refused, not answered by YES (Execution Planner 2022 s2)."""
    reply = await bench.get(bench.url, headers=JSON)
    require(400 <= reply.status < 500, f"a question without tasktype is answered by {reply.status}")
