"""Files of an operator's, read so that none of them can hold up or fill the process."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MAX_SECRET_BYTES = 1024 * 1024


def read_regular(path: Path, max_bytes: int) -> bytes:
    """The bytes of a file, symbolic links followed.

    :raises OSError: it cannot be read, is no regular file (a FIFO, a device, a folder), or is larger than that.
    """
    _check(path.stat(), max_bytes)  # before it is opened, which alone may wait, or rewind a tape
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        _check(os.fstat(file.fileno()), max_bytes)
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:  # it grew
        raise _too_large(max_bytes)
    return content


def _check(found: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if found.st_size > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {max_bytes // 1024**2} MiB")
