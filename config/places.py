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
    """Why no file can be made in a folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in FULL:
            return None
        why = getattr(error, "strerror", None) or "not a possible name"
        return f"{folder} cannot be written ({why}); make it a folder that can, or name another"
    return None


def file_problem(file: Path) -> str | None:
    """Why a file cannot be written, or made."""
    try:
        if file.is_dir():
            return f"{file} is a folder; name a file"
        if file.exists():
            file.open("ab").close()
    except (OSError, ValueError) as error:
        return f"{file} cannot be written ({getattr(error, 'strerror', None) or 'not a possible name'})"
    return folder_problem(file.parent)


def database_problem(url: str) -> str | None:
    """Why a SQLite file cannot be used; other databases are asked when they are needed."""
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
    return (
        f"{file} is not a SQLite database; name another file"
        if begin not in (b"", SQLITE_HEADER)
        else None
    )


def listen_problem(host: str, port: int) -> str | None:
    """Why nobody can listen on host and port."""
    error = _bind_error(host, port)
    other = 5050 if port != 5050 else 5051
    if error is None:
        return None
    if error.errno == errno.EADDRINUSE:
        return f"PORT: {port} is taken by another program (on macOS, 5000 by AirPlay); say PORT={other} make run"
    if error.errno in (errno.EACCES, errno.EPERM) and port < PRIVILEGED_PORTS:
        return (
            f"PORT: {port} is root's; take one of {PRIVILEGED_PORTS} or more, such as PORT={other}"
        )
    return f"HOST: nobody can listen on {host} here ({error.strerror}); write 127.0.0.1, or 0.0.0.0 for all networks"


def listen_warning(host: str, port: int) -> str | None:
    """Another program has the port of the other kind of loopback address, where ``localhost`` may lead."""
    other = LOOPBACKS.get(host)
    error = _bind_error(other, port) if other and port else None
    if error is None or error.errno != errno.EADDRINUSE:
        return None
    return f"PORT: {port} of {other} is another program's, and localhost may lead there; use http://{host}"


def _bind_error(host: str, port: int) -> OSError | None:
    try:
        with socket.socket(
            socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM
        ) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        return error
    return None
