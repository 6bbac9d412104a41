"""What can go wrong with one ID without spoiling the others (DataLink 1.1 s3.4)."""

from __future__ import annotations

from enum import StrEnum

from penstock.dali.errors import NotFound, ServiceError, ServiceUnavailable, UsageError


class Fault(StrEnum):
    """The words with which an error message begins, in the standard's order of specificity (DataLink 1.1 s3.4)."""

    NOT_FOUND = "NotFoundFault"
    USAGE = "UsageFault"
    TRANSIENT = "TransientFault"
    FATAL = "FatalFault"
    DEFAULT = "DefaultFault"

    def message(self, text: str) -> str:
        """Return the error message of a row."""
        return f"{self}: {text}"


def fault_of(error: ServiceError) -> Fault:
    """Return the fault that an error of the lake, or of reading an ID, is to the caller."""
    match error:
        case NotFound():
            return Fault.NOT_FOUND
        case UsageError():
            return Fault.USAGE
        case ServiceUnavailable():
            return Fault.TRANSIENT
        case _:
            return Fault.DEFAULT
