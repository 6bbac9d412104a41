"""What can go wrong, sorted by what the caller should do about it.

::

    ServiceError
     ├─ UsageError            400  the request is wrong: mend it
     │   ├─ AuthenticationRequired 401
     │   ├─ Forbidden              403
     │   ├─ NotFound               404
     │   ├─ NotAcceptable          406
     │   ├─ RequestTimeout         408
     │   ├─ PreconditionFailed     412
     │   ├─ TooLarge               413
     │   ├─ UnsupportedMediaType   415
     │   └─ TooManyRequests        429  and when to come back
     ├─ ServiceUnavailable    503  nothing is wrong with the request: try again later
     └─ InternalError         500  tell us

Every message is public: it reaches the caller. The edge renders an error in the form that the protocol demands;
`status_hint` is a hint because some protocols answer 200 with an error document (DALI 1.2 s5.2).
`label` is the text with which an error must begin where DALI or SODA prescribe one (DALI 1.2 s5.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One of several things that are wrong with a request: which field, what it holds, and what it should."""

    field: str
    description: str
    value: str | None = None


class ServiceError(Exception):
    """Anything that a service tells its caller went wrong.

    Parameters
    ----------
    message
        One sentence for the caller: what is wrong and, where it can be said, what to do.
    retry_after_s
        Seconds after which the same request may succeed, where that is known.
    problems
        Everything that is wrong, where that is known by field.
    """

    status_hint: ClassVar[int] = 500
    label: ClassVar[str] = "Error"

    def __init__(self, message: str, *, retry_after_s: int | None = None, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.problems = tuple(problems)

    def labelled(self) -> str:
        """Return the message with the label that DALI prescribes at its start."""
        return f"{self.label}: {self.message}"


class UsageError(ServiceError):
    """The request itself is wrong; sending it again changes nothing."""

    status_hint = 400
    label = "UsageError"


class AuthenticationRequired(UsageError):
    """The caller must say who they are first."""

    status_hint = 401
    label = "AuthenticationError"


class Forbidden(UsageError):
    """The caller may not do this, or not in the present state (UWS 1.1 s2.2)."""

    status_hint = 403
    label = "AuthorizationError"


class NotFound(UsageError):
    """There is no such thing."""

    status_hint = 404


class NotAcceptable(UsageError):
    """No representation that the caller accepts can be had."""

    status_hint = 406


class RequestTimeout(UsageError):
    """The request does not arrive in time."""

    status_hint = 408


class PreconditionFailed(UsageError):
    """The thing changed since the caller last read it."""

    status_hint = 412


class TooLarge(UsageError):
    """The request is larger than the service takes."""

    status_hint = 413


class UnsupportedMediaType(UsageError):
    """The body is of a type that the resource does not read."""

    status_hint = 415


class MultiValuedParamNotSupported(UsageError):
    """A parameter that takes one value was given several (DALI 1.2 s4.2)."""

    label = "MultiValuedParamNotSupported"


class TooManyRequests(UsageError):
    """The caller has used up a quota."""

    status_hint = 429


class ServiceUnavailable(ServiceError):
    """Something that the service needs is away; nothing is wrong with the request."""

    status_hint = 503
    label = "ServiceUnavailable"


class InternalError(ServiceError):
    """A fault of ours."""

    status_hint = 500
