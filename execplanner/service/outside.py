"""What the broker asks of the service of jobs, and of other brokers."""

from __future__ import annotations

from typing import Protocol

from execplanner.keeping import Session
from penstock.auth.principal import Principal


class Jobs(Protocol):
    """The jobs of sessions."""

    async def submit(self, session: Session) -> None:
        """Make the job of a session that was accepted, once; it waits for the start of the session's preparation.

        Raises
        ------
        TooManyRequests
            The owner has too many jobs.
        """
        ...

    async def abort(self, session: Session) -> None:
        """Stop the job, if there is one that runs."""
        ...


class Peers(Protocol):
    """Other brokers."""

    async def accept(self, session: Session, caller: Principal) -> None:
        """Accept an offer where it was made.

        Raises
        ------
        ServiceError
            It is not accepted there.
        """
        ...

    async def update(self, session: Session, value: str, caller: Principal) -> None:
        """Tell the other broker of a change of phase, as well as can be."""
        ...

    async def look(self, session: Session) -> Session:
        """Return a session with the phase that it has where it runs."""
        ...
