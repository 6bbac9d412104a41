"""Writes a VOTable piece by piece in constant memory: header, any number of batches, footer with the final status.

Whatever fails between the batches, `end` leaves a well-formed document that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from penstock.votable import tabledata
from penstock.votable.binary2 import Base64Feeder
from penstock.votable.binary2 import encode as encode_binary2
from penstock.votable.document import Document, Frame, Info, QueryStatus, Serialization

if TYPE_CHECKING:
    import pyarrow as pa


class VOTableWriter:
    """Writes the bytes of one document: `begin`, then `rows` of every batch, then `end`.

    Parameters
    ----------
    frame
        That of a document which differs in its infos at most, where there is one already.
    """

    def __init__(self, document: Document, serialization: Serialization, *, frame: Frame | None = None) -> None:
        self._document = document
        self._serialization = serialization
        self._base64 = Base64Feeder()
        self._frame = frame or Frame(document, serialization)

    def begin(self) -> bytes:
        """Return everything before the first row."""
        return self._frame.header(self._document.infos)

    def rows(self, batch: pa.RecordBatch) -> bytes:
        """Return the rows of a batch.

        A batch that fails leaves the document as if it had not been there.

        Raises
        ------
        InternalError
            A value does not fit its field.
        """
        match self._serialization:
            case Serialization.TABLEDATA:
                return tabledata.encode(batch, self._document.fields)
            case Serialization.BINARY2:
                return self._base64.feed(encode_binary2(batch, self._document.fields))
            case _:
                assert_never(self._serialization)

    def end(self, status: QueryStatus = QueryStatus.OK, message: str | None = None) -> bytes:
        """Return everything after the last row.

        A status other than OK follows the table as an INFO, with the message as its text (DALI 1.2 s5.4.1, s5.4.2).
        """
        trailing = () if status is QueryStatus.OK else (Info(name="QUERY_STATUS", value=status, text=message),)
        return self._base64.finish() + self._frame.footer(trailing)
