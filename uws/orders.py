"""What a POST asks for, whether it is a form or JSON (UWS 1.1 s2.2.3, DALI 1.2 s2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pydantic
from aiohttp import web

from penstock.dali.errors import MultiValuedParamNotSupported, TooLarge, UsageError
from penstock.dali.params import Parameters, Part
from penstock.dali.values import parse_timestamp
from penstock.edge.params import ParameterLimits, read_parameters
from uws.core.job import Phase
from uws.service.jobs import Given, NewJob, parse_action
from uws.service.policy import parse_duration

Control = Literal["PHASE", "DESTRUCTION", "EXECUTIONDURATION", "RUNID", "ACTION", "JOBTYPE", "TYPE"]
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
        parameters=tuple((name, value) for name, value in params.items() if name.upper() not in control),
        parts=params.parts,
    )


class _Parameter(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    id: str
    value: str


class _Body(pydantic.BaseModel):
    """A JSON body; names are those of the job's own JSON form."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True)

    phase: str | None = None
    action: str | None = None
    run_id: str | None = pydantic.Field(None, alias="runId")
    job_type: str | None = pydantic.Field(None, alias="jobType")
    execution_duration: int | None = pydantic.Field(None, alias="executionDuration")
    destruction: str | None = None
    parameters: list[_Parameter] = []

    def control(self) -> dict[Control, str]:
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
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > limits.max_form_bytes:
            raise TooLarge(f"The body is larger than {limits.max_form_bytes} bytes.")
    try:
        body = _Body.model_validate_json(bytes(data))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise UsageError(f"{where}: {first['msg']}.") from error
    query = _sorted_out(await read_parameters_of_query(request), CREATION)
    control, in_query = body.control(), dict(query.control)
    if twice := sorted(control.keys() & in_query.keys()):
        raise MultiValuedParamNotSupported(f"{twice[0]} is in the body and in the URL; say it once.")
    pairs = tuple((parameter.id, parameter.value) for parameter in body.parameters)
    return Order(control=control | in_query, parameters=(*query.parameters, *pairs))


async def read_parameters_of_query(request: web.Request) -> Parameters:
    """Read the parameters of the query string alone."""
    return Parameters([(name, value) for name, value in request.query.items()])
