"""Folders that must take files, and the address to listen on."""

from __future__ import annotations

import errno
import socket
import tempfile
from pathlib import Path
from urllib.parse import unquote

PRIVILEGED_PORTS = 1024  # below it only root may listen
FULL = (errno.ENOSPC, errno.EDQUOT)  # reading still works, and there may be room again
SQLITE_HEADER = b"SQLite format 3\0"
LOOPBACKS = {"127.0.0.1": "::1", "::1": "127.0.0.1"}


def folder_problem(folder: Path) -> str | None:
    """Return why no file can be made in a folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in FULL:
            return None
        reason = getattr(error, "strerror", None) or "not a possible name"
        return f"{folder} cannot be written ({reason}); make it a folder that can, or name another"
    return None


def file_problem(file: Path) -> str | None:
    """Return why a file cannot be written, or made."""
    try:
        if file.is_dir():
            return f"{file} is a folder; name a file"
        if file.exists():
            file.open("ab").close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a possible name"
        return f"{file} cannot be written ({reason})"
    return folder_problem(file.parent)


def database_problem(url: str) -> str | None:
    """Return why a SQLite file cannot be used; other databases are asked when they are needed."""
    file = unquote(url.removeprefix("sqlite:///").partition("?")[0])
    if not url.startswith("sqlite:///") or file in ("", ":memory:") or file.startswith("file:"):
        return None
    return file_problem(Path(file)) or _sqlite_problem(Path(file))


def _sqlite_problem(file: Path) -> str | None:
    try:
        with file.open("rb") as content:
            begin = content.read(len(SQLITE_HEADER))
    except FileNotFoundError:  # it will be made
        return None
    if begin in (b"", SQLITE_HEADER):
        return None
    return f"{file} is not a SQLite database; name another file"


def listen_problem(host: str, port: int) -> str | None:
    """Return why nobody can listen on host and port."""
    error = _bind_error(host, port)
    if error is None:
        return None
    other = 5050
    if port == other:
        other = 5051
    if error.errno == errno.EADDRINUSE:
        return (
            f"PORT: {port} is taken by another program (on macOS, 5000 by AirPlay); put "
            f"PORT={other}, or another that is free, into .env or the environment"
        )
    if error.errno in (errno.EACCES, errno.EPERM) and port < PRIVILEGED_PORTS:
        return (
            f"PORT: {port} is root's; take one of {PRIVILEGED_PORTS} or more, such as PORT={other}"
        )
    return (
        f"HOST: nobody can listen on {host} here ({error.strerror}); write 127.0.0.1, or 0.0.0.0 "
        "for all networks"
    )


def listen_warning(host: str, port: int) -> str | None:
    """Return a warning if another program has the port of the other loopback (``localhost``)."""
    other = LOOPBACKS.get(host)
    if not (other and port):
        return None
    error = _bind_error(other, port)
    if error is None or error.errno != errno.EADDRINUSE:
        return None
    return (
        f"PORT: {port} of {other} is another program's, and localhost may lead there; use "
        f"http://{host}"
    )


def _bind_error(host: str, port: int) -> OSError | None:
    family = socket.AF_INET
    if ":" in host:
        family = socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error
    return None
