"""What a disk does to us: which errors mean that it, or the process, has no room; and whether a folder has any."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from gateway.resources import is_exhaustion

MIN_FREE_BYTES = 1024 * 1024
#: What is wrong with a disk, by what the system says.
SHORTAGES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file may not grow so large",
    errno.EROFS: "the disk is read-only",
    errno.EIO: "the disk failed",
    errno.ESTALE: "the disk is gone",
    errno.ENOTDIR: "a folder is gone",
    errno.EACCES: "access is denied",
    errno.EPERM: "access is denied",
}


def shortage(error: BaseException) -> str:
    """Which part of ours is away or full, if that is what the error says; otherwise empty."""
    if is_exhaustion(error):
        return "descriptors, memory or threads are used up"
    return SHORTAGES.get(error.errno or 0, "") if isinstance(error, OSError) else ""


def disk_problem(path: Path) -> str:
    """Why nothing can be written to this folder, or file, now; empty when it can. Asks, and writes nothing itself."""
    while not path.exists() and path != path.parent:
        path = path.parent  # it is made when it is needed
    try:
        disk = os.statvfs(path)
    except OSError as error:
        return f"It cannot be looked at: {error.strerror}."
    if disk.f_flag & os.ST_RDONLY:
        return "The disk is read-only."
    if not os.access(path, os.W_OK):
        return "It cannot be written to."
    if disk.f_bavail * disk.f_frsize < MIN_FREE_BYTES:
        return f"The disk has less than {MIN_FREE_BYTES // 1024} KiB left."
    if disk.f_files and not disk.f_favail:
        return "The disk has no room for another file."
    return ""
