"""News between the processes of one host, for SQLite, which has no notifications.

Every process that serves binds a unix datagram socket in one directory; whoever changes a job sends one datagram to
each socket it finds there. A socket that nobody reads any more refuses, and is removed. A datagram is sent after the
commit, so the reader finds the change; a process that dies between the two leaves waiters asleep until their time is
over.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from penstock.dali.errors import ServiceUnavailable
from uws.ports import Change, change_from_text, change_to_text

_SUFFIX = ".sock"
_LONGEST_ADDRESS = 100  # sun_path holds 108 bytes on Linux, 104 elsewhere
_MAX_MESSAGE = 256
_FULL_RETRIES = 200
_FULL_PAUSE_S = 0.01
_RETRY_AFTER_S = 5


class DatagramListener:
    """Hears what the processes of this host say.

    Parameters
    ----------
    path
        The socket to make, in a directory that all share.
    deliver
        What to do with news.
    """

    def __init__(self, path: Path, deliver: Callable[[Change], None]) -> None:
        self._path = path
        self._deliver = deliver

    @staticmethod
    def path_in(directory: Path) -> Path:
        """Return a new name for a socket in `directory`."""
        return directory / f"{os.getpid()}-{uuid.uuid4().hex[:8]}{_SUFFIX}"

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen while the block lasts."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        with _datagram_socket() as receiver, _reachable(self._path.parent) as directory:
            receiver.bind(directory + self._path.name)
            loop.add_reader(receiver, self._read, receiver)
            try:
                yield
            finally:
                loop.remove_reader(receiver)
                self._path.unlink(missing_ok=True)

    def _read(self, receiver: socket.socket) -> None:
        with suppress(BlockingIOError):
            while True:
                change = change_from_text(receiver.recv(_MAX_MESSAGE).decode(errors="replace"))
                if change is not None:
                    self._deliver(change)


class DatagramSender:
    """Tells all sockets of a directory, except the own.

    Parameters
    ----------
    directory
        Where the sockets are.
    address
        The same directory, in a form short enough for a socket's address.
    own
        The name of the socket of this process.
    """

    def __init__(self, directory: Path, address: str, sender: socket.socket, own: str | None) -> None:
        self._directory = directory
        self._address = address
        self._sender = sender
        self._own = own

    @classmethod
    @contextmanager
    def opened(cls, directory: Path, *, own: str | None = None) -> Iterator[DatagramSender]:
        """Open a sender for the time of the block."""
        directory.mkdir(parents=True, exist_ok=True)
        with _datagram_socket() as sender, _reachable(directory) as address:
            yield cls(directory, address, sender, own)

    async def announce(self, change: Change) -> None:
        """Send the change to every other process.

        Raises
        ------
        ServiceUnavailable
            The directory is away.
        """
        message = change_to_text(change).encode()
        try:
            names = os.listdir(self._directory)  # noqa: PTH208  # names are all that is needed, quickly
        except OSError as error:  # an open SQLite file outlives its directory, but nobody will ever find it again
            raise ServiceUnavailable("The data directory is away.", retry_after_s=_RETRY_AFTER_S) from error
        for name in names:
            if name.endswith(_SUFFIX) and name != self._own:
                await self._send(name, message)

    async def _send(self, name: str, message: bytes) -> None:
        for _ in range(_FULL_RETRIES):
            try:
                self._sender.sendto(message, self._address + name)
            except BlockingIOError:
                await asyncio.sleep(_FULL_PAUSE_S)  # the receiver's queue is short and full: let it read
            except (ConnectionRefusedError, FileNotFoundError):
                (self._directory / name).unlink(missing_ok=True)
                return
            else:
                return


def _datagram_socket() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made


@contextmanager
def _reachable(directory: Path) -> Iterator[str]:
    """Give the directory, with a slash, as the beginning of a socket's address.

    Addresses are short; one that is too long goes by way of an open directory, where the system has ``/proc``.
    """
    plain = f"{directory}/"
    if len(os.fsencode(plain)) + 50 <= _LONGEST_ADDRESS:
        yield plain
        return
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{opened}/"
    finally:
        os.close(opened)
