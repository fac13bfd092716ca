"""What a machine may run short of, whether a process lives, an operator's files within bounds."""

from __future__ import annotations

import errno
import os
import platform
import socket
import stat
from functools import cache
from pathlib import Path

#: What a system call says when nothing is left for one more connection: no vendor's fault.
EXHAUSTION = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})
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
MIN_FREE_BYTES = 1024 * 1024
MAX_SECRET_BYTES = 1024 * 1024
MAX_BUNDLE_BYTES = 16 * 1024 * 1024  # of certificates to trust


def is_exhaustion(error: BaseException) -> bool:
    """Return whether an error says that a resource of this process or machine is used up."""
    if isinstance(error, socket.gaierror):
        return error.errno == socket.EAI_MEMORY
    if isinstance(error, OSError):
        return error.errno in EXHAUSTION
    if isinstance(error, RuntimeError):
        return "start new thread" in str(error)  # CPython has no error of its own for it
    return isinstance(error, MemoryError)


def out_of_descriptors() -> bool:
    """Return whether nothing can be opened now, which a C library does not always say."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return is_exhaustion(error)
    return False


def describe_shortage(error: BaseException) -> str:
    """Say what is away or full, if that is what the error means; otherwise return ""."""
    if is_exhaustion(error):
        return "descriptors, memory or threads are used up"
    if isinstance(error, OSError):
        return SHORTAGES.get(error.errno or 0, "")
    return ""


def process_name() -> str:
    """Return a name of this process, for ``has_ended``; it has no space."""
    return f"{os.getpid()}@{_machine()}"


def has_ended(name: str) -> bool:
    """Return whether a process of this machine is gone; of other machines' nobody knows."""
    pid, _, machine = name.partition("@")
    if machine != _machine():
        return False
    try:
        os.kill(int(pid), 0)
    except OSError as error:  # another user's lives, too
        return isinstance(error, ProcessLookupError)
    return False


@cache
def _machine() -> str:
    """Return where a process id means what it means here: containers have their own."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{platform.node()}/{namespace}"


def disk_problem(path: Path) -> str:
    """Say why nothing can be written to this folder or file now; "" when it can."""
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


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Return the bytes of an operator's file, which cannot hold up or fill the process.

    :raises OSError: it cannot be read, is no regular file, or is larger than that.
    """
    _check(path.stat(), max_bytes)  # before it is opened, which alone may wait, or rewind a tape
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        _check(os.fstat(file.fileno()), max_bytes)
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:  # it grew
        raise _too_large(max_bytes)
    return content


def _check(status: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    if status.st_size > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> OSError:
    return OSError(errno.EFBIG, f"it is larger than {max_bytes // 1024**2} MiB")
