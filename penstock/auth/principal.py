"""Who is asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller: anonymous when `subject` is None."""

    subject: str | None = None
    groups: frozenset[str] = frozenset()
    admin: bool = False

    @property
    def anonymous(self) -> bool:
        """Whether nothing is known of the caller."""
        return self.subject is None


ANONYMOUS = Principal()


class Authenticator(Protocol):
    """Tells from a request's headers who sent it."""

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Return the caller, `ANONYMOUS` when no credentials were sent.

        Raises
        ------
        AuthenticationRequired
            Credentials were sent and are not valid.
        """
        ...


class AnonymousOnly:
    """The authenticator of a deployment without identities: everybody is anonymous."""

    async def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """Return `ANONYMOUS`, whatever was sent."""
        return ANONYMOUS
