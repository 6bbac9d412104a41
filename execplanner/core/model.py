"""The shapes of the Execution Broker 1.0.7, with what we add to it.

Ours are `gpus` of a compute resource and the kinds of executable that upstream does not have; everything else is
upstream's (openapi 1.0.7), from `ExecutionRequest` to `AbstractUpdate`.
"""

from __future__ import annotations

from typing import Final

from execplanner.core.shapes import Anything, Flag, Items, Kinded, Names, Real, Record, Shape, Text, Whole

PHASES: Final = (
    "INITIAL",
    "OFFERED",
    "ACCEPTED",
    "REJECTED",
    "EXPIRED",
    "WAITING",
    "PREPARING",
    "AVAILABLE",
    "RUNNING",
    "RELEASING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
)
_LIFECYCLE = (
    "INITIALIZING",
    "WAITING",
    "PREPARING",
    "AVAILABLE",
    "RUNNING",
    "RELEASING",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
)
T, N = Text(), Whole()
_RANGE = Record(members={"min": N, "max": N})


def _record(**members: Shape) -> Record:
    return Record(members=members)


MESSAGE = _record(
    kind=T,
    time=T,
    level=Text(options=("DEBUG", "WARN", "ERROR", "INFO", "OTHER")),
    template=T,
    values=Names(),
    message=T,
)
_OPTION = {"path": T}
OPTION = Kinded(
    group="option",
    common=_OPTION,
    kinds={
        "string-value-option": {"pattern": T},
        "enum-value-option": {"values": Items(of=T, tag="value")},
        "integer-value-option": {"min": N, "max": N, "units": T},
        "integer-delta-option": {"min": N, "max": N, "units": T},
    },
)
META = _record(
    uuid=T,
    name=T,
    url=T,
    description=T,
    created=T,
    modified=T,
    messages=Items(of=MESSAGE, tag="message"),
    options=Items(of=OPTION, tag="option"),
)
_ITEM: dict[str, Shape] = {"type": T, "description": T}
_MINMAX: dict[str, Shape] = {"min": Real(), "max": Real()}
COST = Kinded(group="costs", common=_ITEM, kinds={"simple-minmax-float-cost": _MINMAX})
METRIC = Kinded(group="metrics", common=_ITEM, kinds={"simple-minmax-float-metric": _MINMAX})
COSTS, METRICS = Items(of=COST, tag="cost"), Items(of=METRIC, tag="metric")
_COMPONENT: dict[str, Shape] = {"meta": META, "costs": COSTS, "metrics": METRICS}
_STEP = _record(start=T, duration=T)
SCHEDULE = _record(preparing=_STEP, available=_STEP, releasing=_STEP)
_LIVING: dict[str, Shape] = {**_COMPONENT, "phase": Text(options=_LIFECYCLE), "schedule": SCHEDULE}

IMAGE = _record(locations=Items(of=T, tag="location"), digest=T, platform=_record(architecture=T, os=T))
PORT = _record(
    access=Flag(),
    internal=_record(port=N),
    external=_record(port=N, addresses=Items(of=T, tag="address")),
    protocol=T,
    path=T,
)
_LOCATED: dict[str, Shape] = {"location": T}
_ARGUMENTS = Items(of=T, tag="argument")
_VARIABLES = Names(tag="variable")
EXECUTABLE = Kinded(
    group="executable",
    common=_LIVING,
    kinds={
        "docker-container": {
            "image": IMAGE,
            "privileged": Flag(),
            "command": _ARGUMENTS,
            "entrypoint": T,
            "environment": _VARIABLES,
            "network": _record(ports=Items(of=PORT, tag="port")),
        },
        "singularity-container": {**_LOCATED, "command": _ARGUMENTS, "environment": _VARIABLES},
        "jupyter-notebook": _LOCATED,
        "zeppelin-notebook": _LOCATED,
        "git-repository": {**_LOCATED, "provider": T, "ref": T, "path": T},
        "python-program": {**_LOCATED, "arguments": _ARGUMENTS, "environment": _VARIABLES},
        "reana-workflow": {"specification": Anything(), "parameters": Anything()},
        "dask-cluster": {"workers": N},
    },
)
VOLUME = Kinded(
    group="volume",
    common=_COMPONENT,
    kinds={"simple-volume-mount": {"path": T, "mode": Text(options=("READONLY", "READWRITE")), "resource": T}},
)
_COMPUTE: dict[str, Shape] = {"cores": _RANGE, "memory": _RANGE}
COMPUTE = Kinded(
    group="compute",
    common={**_LIVING, "volumes": Items(of=VOLUME, tag="volume")},
    kinds={
        "simple-compute-resource": _COMPUTE,
        "gpu-compute-resource": {
            **_COMPUTE,
            "gpus": _record(min=N, max=N, memory=N, models=Items(of=T, tag="model")),
        },
    },
)
STORAGE = Kinded(
    group="storage",
    common={**_LIVING, "data": Items(of=T, tag="resource")},
    kinds={"simple-storage-resource": {"size": _RANGE}},
)
_OBSCORE = _record(
    obs_id=T,
    obs_collection=T,
    obs_publisher_did=T,
    obs_creator_did=T,
    dataproduct_type=T,
    calib_level=N,
    access_url=T,
    access_format=T,
)
_DATALINK = _record(
    ID=T,
    access_url=T,
    service_def=T,
    error_message=T,
    description=T,
    semantics=T,
    content_type=T,
    content_length=N,
    content_qualifier=T,
    local_semantics=T,
    link_auth=T,
    link_authorized=T,
)
_IVOA = _record(ivoid=T, obscore=_OBSCORE, datalink=_DATALINK)
_DID_TYPE = Text(options=("FILE", "CONTAINER", "DATASET"))
DATA = Kinded(
    group="data",
    common={**_LIVING, "storage": T},
    kinds={
        "simple-data-resource": _LOCATED,
        "S3-data-resource": {"endpoint": T, "template": T, "bucket": T, "object": T},
        "rucio-data-resource": {"rucio": _record(endpoint=T, scope=T, object=T, type=_DID_TYPE)},
        "ivoa-data-resource": {"ivoa": _IVOA},
        "skao-data-resource": {
            "ivoa": _IVOA,
            "skao": _record(
                namespace=T,
                objectname=T,
                objecttype=_DID_TYPE,
                datasize=N,
                checksum=_record(type=T, value=T),
                replicas=Items(of=_record(rsename=T, dataurl=T), tag="replica"),
            ),
        },
    },
)
_PARTS: dict[str, Shape] = {
    "executable": EXECUTABLE,
    "compute": COMPUTE,
    "storage": Items(of=STORAGE, tag="resource"),
    "data": Items(of=DATA, tag="resource"),
}
REQUEST = _record(
    kind=T,
    meta=META,
    **_PARTS,
    schedule=_record(requested=_record(duration=T, start=T)),
    costs=COSTS,
    metrics=METRICS,
)
CONNECTOR = _record(kind=T, status=Text(options=("PREPARING", "AVAILABLE", "FINISHED")), protocol=T, location=T)
_SESSION: dict[str, Shape] = {
    "phase": Text(options=PHASES),
    "expires": T,
    **_PARTS,
    "connectors": Items(of=CONNECTOR, tag="connector"),
}
SESSION = Kinded(
    group="session",
    common=_COMPONENT,
    kinds={"simple-execution-session": _SESSION, "scheduled-execution-session": {**_SESSION, "schedule": SCHEDULE}},
)
OFFERSET = Kinded(
    group="offerset",
    common=_COMPONENT,
    kinds={
        "execution-offerset": {
            "result": Text(options=("YES", "NO")),
            "description": T,
            "offers": Items(of=SESSION, tag="execution"),
        }
    },
)
UPDATE = Kinded(
    group="update",
    common={"path": T},
    kinds={
        "string-value-update": {"value": T},
        "enum-value-update": {"value": T},
        "integer-value-update": {"value": N, "units": T},
        "integer-delta-update": {"delta": N, "units": T},
    },
)
ROOTS: Final[dict[str, Shape]] = {
    "offers-request": REQUEST,
    "offers-response": OFFERSET,
    "execution": SESSION,
    "update": UPDATE,
}
"""The documents, by the name of their root element in XML."""
