"""Job types in JSON, and what they take as JSON Schema (draft 2020-12).

The schema of a type describes an object with a member for each parameter, which is what ``parameters`` of a request to
create a job may be: whatever fits the schema is taken, as far as JSON Schema can tell. It cannot say that an interval
has its lower end first, nor how far declinations and radii go, and most validators do not look at ``format``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from uws.core.shapes import DIALECT, Json
from uws.ports import JobType, ParameterSpec, ParameterType, ResultSpec
from uws.service.policy import Policy
from uws.service.validation import parse_value

XTYPES: Mapping[ParameterType, str] = {
    "timestamp": "timestamp",
    "interval": "interval",
    "circle": "circle",
    "polygon": "polygon",
}
"""The types that DALI names (DALI 1.2 s3)."""

_SPACE = r"[ \t\r\n]"
_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_END = rf"({_NUMBER}|[+-]?[Ii][Nn][Ff])"
_NEXT = rf"{_SPACE}+{_NUMBER}"
_LEAST, _MOST = -(2**63), 2**63 - 1
_SCHEMAS: Mapping[ParameterType, Json] = {
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "real": {"type": "number"},
    "string": {"type": "string"},
    "timestamp": {"type": "string", "format": "date-time"},
    "uri": {"type": "string", "format": "uri"},
    "interval": {"type": "string", "pattern": rf"^{_SPACE}*{_END}{_SPACE}+{_END}{_SPACE}*$"},
    "circle": {"type": "string", "pattern": rf"^{_SPACE}*{_NUMBER}({_NEXT}){{2}}{_SPACE}*$"},
    "polygon": {"type": "string", "pattern": rf"^{_SPACE}*{_NUMBER}({_NEXT}){{5}}({_NEXT}{_NEXT})*{_SPACE}*$"},
    "file": {"type": "string"},
}


def job_type_to_json(job_type: JobType, policy: Policy) -> Json:
    """Return the JSON object of a job type; `policy` is what holds for its jobs."""
    members = {
        "name": job_type.name,
        "version": job_type.version,
        "title": job_type.title,
        "description": job_type.description,
        "docs": job_type.docs,
        "validatedAtCreation": job_type.validate_at_creation,
        "roles": sorted(job_type.roles),
        "parameters": [_parameter(spec) for spec in job_type.parameters],
        "results": [_result(result) for result in job_type.results],
        "limits": _limits(job_type, policy),
        "schema": parameters_schema(job_type),
    }
    return _present(members)


def parameters_schema(job_type: JobType) -> Json:
    """Return the JSON Schema of all parameters of a type together."""
    return {
        "$schema": DIALECT,
        "title": job_type.title,
        "type": "object",
        "properties": {spec.name: parameter_schema(spec) for spec in job_type.parameters},
        "required": [spec.name for spec in job_type.parameters if spec.required and spec.default is None],
        "additionalProperties": not job_type.validate_at_creation,
    }


def parameter_schema(spec: ParameterSpec) -> Json:
    """Return the JSON Schema of a parameter; units and the like are annotations that begin with ``x-``."""
    one = {
        **_SCHEMAS[spec.type],
        **({} if spec.hyphen_first else {"pattern": "^(?!-)"}),
        "enum": [typed(spec, option) for option in spec.options] or None,
        **_bounds(spec),
        "contentMediaType": spec.media_types[0] if spec.media_types else None,
    }
    about = {
        "description": spec.description or None,
        "default": None if spec.default is None else typed(spec, spec.default),
        "x-unit": spec.unit,
        "x-ucd": spec.ucd,
        "x-utype": spec.utype,
        "x-xtype": XTYPES.get(spec.type),
    }
    if spec.multiple:
        least = 1 if spec.required and spec.default is None else None
        if spec.default is not None:
            about["default"] = [about["default"]]
        one = {"type": "array", "items": _present(one), "minItems": least}
    return _present({**one, **about})


def _bounds(spec: ParameterSpec) -> Json:
    """Return between what a number must be; integers are of 64 bits."""
    low, high = spec.minimum, spec.maximum
    if spec.type == "integer":
        low, high = _LEAST if low is None else max(low, _LEAST), _MOST if high is None else min(high, _MOST)
    return {"minimum": low, "maximum": high}


def typed(spec: ParameterSpec, text: str) -> Any:
    """Return a value of a parameter as JSON has it: a truth value, a number or a string."""
    value = parse_value(spec, text)
    return value if isinstance(value, (bool, int, float)) else text


def _parameter(spec: ParameterSpec) -> Json:
    members = {
        "name": spec.name,
        "type": spec.type,
        "description": spec.description,
        "required": spec.required,
        "multiple": spec.multiple,
        "default": spec.default,
        "options": list(spec.options) or None,
        "minimum": spec.minimum,
        "maximum": spec.maximum,
        "unit": spec.unit,
        "ucd": spec.ucd,
        "utype": spec.utype,
        "xtype": XTYPES.get(spec.type),
        "mimeTypes": list(spec.media_types) or None,
        "schema": parameter_schema(spec),
    }
    return _present(members)


def _result(result: ResultSpec) -> Json:
    return {
        "id": result.id,
        "mimeTypes": list(result.media_types),
        "description": result.description,
        "required": result.required,
        "multiple": result.multiple,
    }


def _limits(job_type: JobType, policy: Policy) -> Json:
    """Return the limits; null where there is none."""
    return {
        "executionDuration": {"default": policy.duration_s(None) or None, "maximum": policy.max_duration_s or None},
        "lifetime": {"default": _seconds(policy.default_lifetime), "maximum": _seconds(policy.max_lifetime)},
        "uploadBytes": {"maximum": job_type.limits.max_upload_bytes},
    }


def _seconds(span: timedelta | None) -> int | None:
    return None if span is None else round(span.total_seconds())


def _present(members: Mapping[str, Any]) -> Json:
    return {name: value for name, value in members.items() if value is not None}


_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_FLAG = {"type": "boolean"}
_COUNT = {"type": ["integer", "null"], "minimum": 0}


def _closed(properties: Mapping[str, Any], *optional: str) -> Json:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_PARAMETER_SCHEMA = _closed(
    {
        "name": _TEXT,
        "type": {"type": "string", "enum": list(_SCHEMAS)},
        "description": _TEXT,
        "required": _FLAG,
        "multiple": {**_FLAG, "description": "Whether it takes several values"},
        "default": {**_TEXT, "description": "The value where none is given, as a form would have it"},
        "options": _TEXTS,
        "minimum": {"type": "number"},
        "maximum": {"type": "number"},
        "unit": {**_TEXT, "description": "In VOUnit syntax"},
        "ucd": _TEXT,
        "utype": _TEXT,
        "xtype": _TEXT,
        "mimeTypes": _TEXTS,
        "schema": {"type": "object", "description": "The JSON Schema of the parameter"},
    },
    *("default", "options", "minimum", "maximum", "unit", "ucd", "utype", "xtype", "mimeTypes"),
)
_RESULT_SCHEMA = _closed({"id": _TEXT, "mimeTypes": _TEXTS, "description": _TEXT, "required": _FLAG, "multiple": _FLAG})
_LIMIT_SCHEMA = _closed({"default": _COUNT, "maximum": _COUNT}, "default")
JOB_TYPE_SCHEMA: Json = {
    **_closed(
        {
            "name": _TEXT,
            "version": _TEXT,
            "title": _TEXT,
            "description": _TEXT,
            "docs": {**_TEXT, "format": "uri", "description": "A page for people"},
            "validatedAtCreation": {**_FLAG, "description": "Whether creation refuses what the schema does not take"},
            "roles": {**_TEXTS, "description": "Groups that may create such jobs; none: everybody"},
            "parameters": {"type": "array", "items": _PARAMETER_SCHEMA},
            "results": {"type": "array", "items": _RESULT_SCHEMA},
            "limits": _closed(
                {"executionDuration": _LIMIT_SCHEMA, "lifetime": _LIMIT_SCHEMA, "uploadBytes": _LIMIT_SCHEMA}
            ),
            "schema": {"type": "object", "description": "The JSON Schema of all parameters together"},
        },
        "docs",
    ),
    "title": "JobType",
    "description": "A type of job; durations in seconds, null where only the deployment has a limit, if any",
    "patternProperties": {"^_": True},
}
"""The JSON Schema of what `job_type_to_json` returns."""
