"""Reading the parameters of a request: query string, form, and multipart form with files (DALI 1.2 s2, s4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from penstock.dali.errors import ServiceUnavailable, TooLarge, UnsupportedMediaType, UsageError
from penstock.dali.media import MediaType
from penstock.dali.params import Parameters, Part
from penstock.edge.spool import new_spool_file

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_CHUNK_BYTES = 64 * 1024
_CODINGS = {"", "identity", "gzip", "deflate", "br", "zstd"}  # what was read by the time that we see the body


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterLimits:
    """How much a caller may send; `spool_directory` is where files wait, the system's own choice where None."""

    max_form_bytes: int = 4 * 1024 * 1024
    max_file_bytes: int = 64 * 1024 * 1024
    max_body_bytes: int = 256 * 1024 * 1024
    max_parts: int = 256
    spool_directory: Path | None = None


DEFAULT_LIMITS = ParameterLimits()


async def read_parameters(request: web.Request, limits: ParameterLimits = DEFAULT_LIMITS) -> Parameters:
    """Read every parameter and file of the request; those of the query string come first.

    Files live until the handler ends; a service that needs one longer moves it.

    Raises
    ------
    UsageError
        The body cannot be read as what it says it is.
    TooLarge
        The body, a file or the number of parts is over the limit.
    ServiceUnavailable
        A file cannot be stored.
    UnsupportedMediaType
        The body is neither a form nor a multipart form, or it is encoded as we cannot read it.
    """
    query = _pairs(request.rel_url.raw_query_string.encode(), limits)
    if not request.body_exists:
        return _checked(query, [])
    require_known_coding(request)
    if request.content_length is not None and request.content_length > limits.max_body_bytes:
        raise TooLarge(f"The body is larger than {limits.max_body_bytes} bytes.")
    match _content_type(request):
        case "application/x-www-form-urlencoded":
            body = await read_body(request, limits.max_form_bytes, "form")
            return _checked(query + _pairs(body, limits), [])
        case "multipart/form-data":
            reader = _MultipartForm(request, limits)
            await reader.read()
            return _checked(query + reader.pairs, reader.parts)
        case other:
            raise UnsupportedMediaType(f"Parameters are read from {_FORM} or {_MULTIPART}, not from {other[:80]}.")


async def read_body(request: web.Request, max_bytes: int, called: str = "body") -> bytes:
    """Read the body as it is; `called` is what the caller knows it as.

    Raises
    ------
    TooLarge
        It has more bytes than it may.
    """
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(f"The {called} is larger than {max_bytes} bytes.")
    return bytes(body)


def require_known_coding(request: web.Request) -> None:
    """See that the body can be decoded.

    Raises
    ------
    UnsupportedMediaType
        It cannot (RFC 9110 s8.4).
    """
    coding = ", ".join(request.headers.getall("Content-Encoding", []))
    if coding.strip().lower() not in _CODINGS:
        raise UnsupportedMediaType(f"The body has the Content-Encoding {coding[:40]!r}; gzip and deflate are read.")


def _content_type(request: web.Request) -> str:
    header = request.headers.get("Content-Type")
    if header is None:
        return _FORM
    return header.partition(";")[0].strip().lower()


def _checked(pairs: list[tuple[str, str]], parts: list[Part]) -> Parameters:
    for name, value in pairs:
        if "\0" in name or "\0" in value:
            raise UsageError(f"The parameter {name[:40]!r} contains a NUL character.")
    return Parameters(pairs, parts)


def _pairs(form: bytes, limits: ParameterLimits) -> list[tuple[str, str]]:
    try:
        text = form.decode("utf-8")
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=limits.max_parts)
    except UnicodeDecodeError as error:
        raise UsageError("The parameters are not UTF-8.") from error
    except ValueError as error:
        raise TooLarge(f"There are more than {limits.max_parts} parameters.") from error


class _MultipartForm:
    """Reads one multipart form (RFC 7578) part by part, files to disk."""

    def __init__(self, request: web.Request, limits: ParameterLimits) -> None:
        self.pairs: list[tuple[str, str]] = []
        self.parts: list[Part] = []
        self._request = request
        self._limits = limits
        self._seen_bytes = 0

    async def read(self) -> None:
        try:
            reader = MultipartReader(self._request.headers, self._request.content)
            count = 0
            while (part := await reader.next()) is not None:
                count += 1
                if count > self._limits.max_parts:
                    raise TooLarge(f"There are more than {self._limits.max_parts} parts.")
                await self._take(part)
        except (ValueError, AssertionError, RuntimeError, HttpProcessingError, EOFError) as error:
            # All that the reader raises on bytes that are no multipart form.
            raise UsageError(f"The body is no readable {_MULTIPART}.") from error

    async def _take(self, part: BodyPartReader | MultipartReader) -> None:
        if isinstance(part, MultipartReader) or not part.name:
            raise UsageError("Every part of the form needs a name, and none may be multipart itself.")
        _refuse_encodings(part)
        if _is_file(part):
            self.parts.append(await self._spool(part, part.name))
        else:
            value = b"".join([chunk async for chunk in self._chunks(part, self._limits.max_form_bytes)])
            self.pairs.append((part.name, _decode(part, value)))

    async def _spool(self, part: BodyPartReader, name: str) -> Part:
        size = 0
        with _disk_trouble_told():
            path = new_spool_file(self._request, self._limits.spool_directory)
            file = path.open("wb", buffering=0)
        with file:
            async for chunk in self._chunks(part, self._limits.max_file_bytes):
                with _disk_trouble_told():
                    # A write of 64 kB goes to the page cache: shorter than the hop to a thread.
                    _write(file, chunk)
                size += len(chunk)
        media_type = MediaType.parse(part.headers.get("Content-Type", ""))
        return Part(
            name=name,
            content=path,
            size_bytes=size,
            filename=part.filename,
            media_type=media_type.essence if media_type else None,
        )

    async def _chunks(self, part: BodyPartReader, max_bytes: int) -> AsyncIterator[bytes]:
        size = 0
        while chunk := await part.read_chunk(_CHUNK_BYTES):
            size += len(chunk)
            self._seen_bytes += len(chunk)
            if size > max_bytes:
                raise TooLarge(f"The part {part.name!r} is larger than {max_bytes} bytes.")
            if self._seen_bytes > self._limits.max_body_bytes:
                raise TooLarge(f"The body is larger than {self._limits.max_body_bytes} bytes.")
            yield chunk


@contextmanager
def _disk_trouble_told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ServiceUnavailable("What was uploaded cannot be stored: the disk may be full.") from error


def _write(file: FileIO, chunk: bytes) -> None:
    """Write all of it; a file without a buffer, which has nothing left to fail at its end, may take a part only."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[file.write(rest) :]


def _is_file(part: BodyPartReader) -> bool:
    essence = part.headers.get("Content-Type", "text/plain").partition(";")[0].strip().lower()
    return part.filename is not None or essence != "text/plain"


def _refuse_encodings(part: BodyPartReader) -> None:
    transfer = part.headers.get("Content-Transfer-Encoding", "binary").strip().lower()
    if transfer not in {"binary", "8bit", "7bit"} or "Content-Encoding" in part.headers:
        raise UnsupportedMediaType(f"The part {part.name!r} is encoded; send it as it is (RFC 7578 s4.7).")


def _decode(part: BodyPartReader, value: bytes) -> str:
    try:
        return value.decode(part.get_charset(default="utf-8"))
    except (UnicodeDecodeError, LookupError) as error:
        raise UsageError(f"The parameter {part.name!r} is not text.") from error
