"""Who is asking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from penstock.auth.challenges import Challenge
from penstock.dali.errors import AuthenticationRequired, Forbidden, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller: anonymous when `subject` is None; a subject is printable ASCII, fit for a header and the log.

    `token` is the access token that the caller came with, for systems that act on their behalf; it is never shown, and
    jobs run without it.
    """

    subject: str | None = None
    groups: frozenset[str] = frozenset()
    admin: bool = False
    token: str | None = field(default=None, repr=False, compare=False)

    @property
    def anonymous(self) -> bool:
        """Whether nothing is known of the caller."""
        return self.subject is None


ANONYMOUS = Principal()


def refusal(caller: Principal, message: str) -> UsageError:
    """Return the error for what the caller may not have: 401 if they could still say who they are, else 403.

    The edge adds the challenges to the 401 (DALI 1.2 s5.2, UWS 1.1 s3).
    """
    return AuthenticationRequired(message) if caller.anonymous else Forbidden(message)


class Authenticator(Protocol):
    """Tells from a request's headers who sent it."""

    @property
    def security_methods(self) -> Sequence[str]:
        """The ways to authenticate, as standardIDs of securityMethod (VOResource 1.1 s3.2.2)."""
        ...

    @property
    def challenges(self) -> Sequence[Challenge]:
        """What an unauthenticated caller is told."""
        ...

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Return the caller, `ANONYMOUS` when no credentials were sent.

        Raises
        ------
        AuthenticationRequired
            Credentials were sent and are not valid.
        ServiceUnavailable
            Whoever could tell is away.
        """
        ...


class AnonymousOnly:
    """The authenticator of a deployment without identities: everybody is anonymous."""

    security_methods: Sequence[str] = ()
    challenges: Sequence[Challenge] = ()

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Return `ANONYMOUS`, whatever was sent."""
        return ANONYMOUS
