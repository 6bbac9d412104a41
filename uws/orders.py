"""What a POST asks for, whether it is a form or JSON (UWS 1.1 s2.2.3, DALI 1.2 s2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

import pydantic
from aiohttp import web
from pydantic_core import ErrorDetails

from penstock.dali.errors import MultiValuedParamNotSupported, Problem, UsageError
from penstock.dali.params import Parameters, Part, upper_name
from penstock.dali.values import parse_timestamp
from penstock.edge.params import ParameterLimits, read_body, read_parameters, require_known_coding
from uws.core.job import Phase
from uws.service.jobs import Given, NewJob, parse_action
from uws.service.policy import parse_duration

Control = Literal["PHASE", "DESTRUCTION", "EXECUTIONDURATION", "RUNID", "ACTION", "JOBTYPE", "TYPE"]
_MOST_PROBLEMS = 20
_NO_VALUE = "A value is true or false, a number, a text, or a list of these."
CREATION: tuple[Control, ...] = ("PHASE", "DESTRUCTION", "EXECUTIONDURATION", "RUNID")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The control values by name, and the parameters of the job."""

    control: Mapping[Control, str]
    parameters: tuple[tuple[str, str], ...] = ()
    parts: tuple[Part, ...] = ()

    @property
    def given(self) -> Given:
        """What is said of the job's parameters."""
        return Given(parameters=self.parameters, parts=self.parts, run_id=self.control.get("RUNID"))

    @property
    def names_parameters(self) -> bool:
        """Whether anything is said of the job's parameters."""
        return bool(self.parameters or self.parts or "RUNID" in self.control)

    def need(self, name: Control) -> str:
        """Return a control value that must be there.

        Raises
        ------
        UsageError
            It is not.
        """
        if name not in self.control:
            raise UsageError(f"The request does not say {name}.")
        return self.control[name]

    def new_job(self, job_type: str) -> NewJob:
        """Return the job that the order wants created (UWS 1.1 s2.2.3.1).

        Raises
        ------
        UsageError
            A control value cannot be read.
        """
        action, duration = self.control.get("PHASE"), self.control.get("EXECUTIONDURATION")
        goal = None if action is None else parse_action(action)
        if goal is Phase.ABORTED:
            raise UsageError("A job that does not exist yet cannot be aborted; PHASE=RUN starts it at once.")
        destruction = self.control.get("DESTRUCTION")
        return NewJob(
            job_type=job_type,
            given=self.given,
            run=goal is Phase.QUEUED,
            duration_s=None if duration is None else parse_duration(duration),
            destruction=None if destruction is None else (parse_destruction(destruction),),
        )


def parse_destruction(text: str) -> datetime | None:
    """Read DESTRUCTION: an instant, or nothing for never.

    Raises
    ------
    UsageError
        It is no instant in UTC.
    """
    return parse_timestamp("DESTRUCTION", text) if text.strip() else None


async def read_order(request: web.Request, limits: ParameterLimits, control: tuple[Control, ...]) -> Order:
    """Read the body and the query string of a request.

    Parameters
    ----------
    request
        The request.
    limits
        How much it may bring.
    control
        The names that are no parameters of the job here.

    Raises
    ------
    UsageError
        The body is not what it says it is, or a control value is given twice.
    """
    if request.content_type == "application/json" and request.body_exists:
        return await _read_json(request, limits)
    return _sorted_out(await read_parameters(request, limits), control)


def _sorted_out(params: Parameters, control: tuple[Control, ...]) -> Order:
    values = {name: params.single(name) for name in control}
    return Order(
        control={name: value for name, value in values.items() if value is not None},
        parameters=tuple((name, value) for name, value in params.items() if upper_name(name) not in control),
        parts=params.parts,
    )


class ParameterGiven(pydantic.BaseModel):
    """A parameter as the job's own JSON form has it."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    id: str
    value: str


Value = bool | int | float | str
_Listed = Annotated[list[ParameterGiven], pydantic.Tag("list")]
_Named = Annotated[dict[str, Value | list[Value]], pydantic.Tag("object")]


class JobOrder(pydantic.BaseModel):
    """The JSON body of a POST; names are those of the job's own JSON form.

    `parameters` are a list of names and texts, or an object that fits the schema of the job type.
    """

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    phase: str | None = None
    action: str | None = None
    run_id: str | None = pydantic.Field(None, alias="runId")
    job_type: str | None = pydantic.Field(None, alias="jobType")
    execution_duration: int | None = pydantic.Field(None, alias="executionDuration")
    destruction: str | None = None
    parameters: Annotated[
        _Listed | _Named, pydantic.Discriminator(lambda value: "list" if isinstance(value, list) else "object")
    ] = []

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return names and values as a form has them."""
        if isinstance(self.parameters, list):
            return tuple((each.id, each.value) for each in self.parameters)
        return tuple(
            (name, _text(each))
            for name, value in self.parameters.items()
            for each in (value if isinstance(value, list) else [value])
        )

    def control(self) -> dict[Control, str]:
        """Return what the body says of the job itself."""
        duration = None if self.execution_duration is None else str(self.execution_duration)
        never = "" if "destruction" in self.model_fields_set else None
        values: dict[Control, str | None] = {
            "PHASE": self.phase,
            "ACTION": self.action,
            "RUNID": self.run_id,
            "JOBTYPE": self.job_type,
            "EXECUTIONDURATION": duration,
            "DESTRUCTION": never if self.destruction is None else self.destruction,
        }
        return {name: value for name, value in values.items() if value is not None}


async def _read_json(request: web.Request, limits: ParameterLimits) -> Order:
    require_known_coding(request)
    data = await read_body(request, limits.max_form_bytes)
    try:
        body = JobOrder.model_validate_json(data)
    except pydantic.ValidationError as error:
        problems = list(dict.fromkeys(map(_problem, error.errors())))[:_MOST_PROBLEMS]
        message = " ".join(f"{problem.field or 'the body'}: {problem.description}" for problem in problems)
        raise UsageError(message, problems=problems) from error
    query = _sorted_out(await read_parameters_of_query(request), CREATION)
    control, in_query = body.control(), dict(query.control)
    if twice := sorted(control.keys() & in_query.keys()):
        raise MultiValuedParamNotSupported(f"{twice[0]} is in the body and in the URL; say it once.")
    return Order(control=control | in_query, parameters=(*query.parameters, *body.pairs()))


def _text(value: Value) -> str:
    """Return a value as a form has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _problem(error: ErrorDetails) -> Problem:
    """Return what is wrong; of a value that is none of the possible kinds, say so once."""
    match error["loc"]:
        case ("parameters", "object", name, *_):
            return Problem(field=f"parameters.{name}", description=_NO_VALUE)
        case ("parameters", str(), *rest):
            where = ["parameters", *rest]
        case plain:
            where = [*plain]
    return Problem(field=".".join(map(str, where)), description=f"{error['msg']}.")


async def read_parameters_of_query(request: web.Request) -> Parameters:
    """Read the parameters of the query string alone."""
    return Parameters([(name, value) for name, value in request.query.items()])
