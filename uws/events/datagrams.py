"""News between the processes of one host, for SQLite, which has no notifications.

Every process that serves binds a unix datagram socket in one directory; whoever changes a job sends one datagram to
each socket it finds there. A socket that nobody reads any more refuses, and is removed. A datagram is sent after the
commit, so the reader finds the change; a process that dies between the two leaves waiters asleep until their time is
over. A directory that somebody removed is made again by those who listen there, within `LOOK_EVERY_S`; what is told
meanwhile is lost, and then everybody is woken to look.
"""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from pathlib import Path

import structlog

from uws.ports import Change, change_from_text, change_to_text

_SUFFIX = ".sock"
_LONGEST_ADDRESS = 100  # sun_path holds 108 bytes on Linux, 104 elsewhere
_MAX_MESSAGE = 256
_FULL_RETRIES = 200
_FULL_PAUSE_S = 0.01
LOOK_EVERY_S = 2.0
_log = structlog.get_logger(__name__)


class DatagramListener:
    """Hears what the processes of this host say.

    Parameters
    ----------
    path
        The socket to make, in a directory that all share.
    deliver
        What to do with news.
    wake_all
        Called after news may have been missed.
    """

    def __init__(self, path: Path, deliver: Callable[[Change], None], wake_all: Callable[[], None]) -> None:
        self._path = path
        self._deliver = deliver
        self._wake_all = wake_all
        self._receiver: socket.socket | None = None

    @staticmethod
    def path_in(directory: Path) -> Path:
        """Return a new name for a socket in `directory`."""
        return directory / f"{os.getpid()}-{uuid.uuid4().hex[:8]}{_SUFFIX}"

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen while the block lasts."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._bind()
        looking = asyncio.create_task(self._look_after(), name="uws-notify-directory")
        try:
            yield
        finally:
            looking.cancel()
            self._close()
            self._path.unlink(missing_ok=True)

    async def _look_after(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self._path.exists():
                continue
            _log.warning("uws_notify_directory_lost", directory=str(self._path.parent))
            self._close()
            try:
                self._bind()
            except OSError:  # the next look may find it again
                continue
            self._wake_all()

    def _bind(self) -> None:
        self._path.parent.mkdir(exist_ok=True)
        receiver = _datagram_socket()
        try:
            with _reachable(self._path.parent) as directory:
                receiver.bind(directory + self._path.name)
        except BaseException:
            receiver.close()
            raise
        asyncio.get_running_loop().add_reader(receiver, self._read, receiver)
        self._receiver = receiver

    def _close(self) -> None:
        if self._receiver is not None:
            asyncio.get_running_loop().remove_reader(self._receiver)
            self._receiver.close()
            self._receiver = None

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
    own
        The name of the socket of this process.
    """

    def __init__(self, directory: Path, sender: socket.socket, own: str | None) -> None:
        self._directory = directory
        self._sender = sender
        self._own = own

    @classmethod
    @contextmanager
    def opened(cls, directory: Path, *, own: str | None = None) -> Iterator[DatagramSender]:
        """Open a sender for the time of the block."""
        directory.mkdir(parents=True, exist_ok=True)
        with _datagram_socket() as sender:
            yield cls(directory, sender, own)

    async def announce(self, change: Change) -> None:
        """Send the change to every other process; where the directory is away, nobody hears."""
        message = change_to_text(change).encode()
        with suppress(FileNotFoundError):
            names = os.listdir(self._directory)  # noqa: PTH208  # names are all that is needed, quickly
            receivers = [name for name in names if name.endswith(_SUFFIX) and name != self._own]
            with _reachable(self._directory) if receivers else nullcontext("") as address:
                for name in receivers:
                    await self._send(address, name, message)

    async def _send(self, address: str, name: str, message: bytes) -> None:
        for _ in range(_FULL_RETRIES):
            try:
                self._sender.sendto(message, address + name)
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
