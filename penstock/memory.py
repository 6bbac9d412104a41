"""What processes do that write long results, piece after piece."""

from __future__ import annotations

import ctypes
from contextlib import suppress

# Of malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 64 << 20
_LARGEST_KEPT_BYTES = 16 << 20


def keep_freed_memory() -> None:
    """Have the C library keep memory that is freed for the next piece of a result, 64 MB of it at most.

    By itself glibc gives each large piece back to the system, which then has to clear every page of the next one: that
    took a quarter of the processor's time of a long result. Other C libraries are left as they are.
    """
    with suppress(OSError, AttributeError, TypeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        set_option(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
