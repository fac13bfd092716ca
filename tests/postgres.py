"""A real PostgreSQL for one test session: begun by whoever needs it first, ended by a guard whatever becomes of the tests.

``python -m tests.postgres FOLDER PID`` is the guard: it serves from FOLDER until process PID is gone or it gets a SIGTERM.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType

import psycopg

from models import database
from models.database import migrate, postgresql, sqlite

ROOT = Path(__file__).parents[1]
SESSION = "POSTERN_TEST_SESSION"  # the session's folder and process, for the workers of xdist
START_TIMEOUT = 180
_LIMIT_SECONDS = {
    (postgresql, "RESPONSE_TIMEOUT_SECONDS"): 30,
    (postgresql, "STATEMENT_TIMEOUT_SECONDS"): 25,
    (postgresql, "LOCK_TIMEOUT_SECONDS"): 20,
    (postgresql, "CONNECT_TIMEOUT_SECONDS"): 20,
    (database, "POOL_TIMEOUT_SECONDS"): 30,
    (sqlite, "LOCK_WAIT_SECONDS"): 30,
}
SHIPPED_SECONDS = {name: getattr(module, name) for module, name in _LIMIT_SECONDS}
ROOM = 2**30  # bytes
MISSING = (
    "The tests need a PostgreSQL server: apt-get install postgresql, or .venv/bin/pip install pgserver. "
    "POSTERN_TEST_DATABASES=sqlite leaves its tests out."
)
# Nothing of it has to survive, so nothing is forced to the disk.
CONFIG = {
    "listen_addresses": "", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off",
    "max_connections": "200", "shared_buffers": "64MB", "wal_level": "minimal", "max_wal_senders": "0",
}  # fmt: skip


class PostgresError(Exception):
    """It cannot be started; says what to do."""


def programs() -> Path:
    """The folder of ``initdb`` and ``postgres``: what is on PATH, what Debian installed, or pgserver's.

    :raises PostgresError: there is none.
    """
    folders = [Path(path).resolve().parent for path in [shutil.which("postgres")] if path]
    folders += sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: float(path.parent.name),
        reverse=True,
    )
    if (pgserver := importlib.util.find_spec("pgserver")) and pgserver.origin:
        folders.append(Path(pgserver.origin).parent / "pginstall" / "bin")
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise PostgresError(MISSING)


class Server:
    """One server on a unix socket in ``folder``, which it takes for itself. As root it runs as somebody else."""

    def __init__(self, folder: Path) -> None:
        self._bin, self._home, self._log = programs(), folder / "home", folder / "server.log"
        self._as = _somebody_else()

    def __enter__(self) -> Server:
        self._home.parent.chmod(0o711)
        self._home.mkdir(mode=0o700)
        if self._as:
            os.chown(self._home, self._as["user"], self._as["group"])
        # Whoever can open the folder of the socket may do anything: its mode is the password.
        words = [
            "-D",
            str(self._home / "data"),
            "--no-sync",
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
        ]
        with self._log.open("wb") as log:
            options = {
                "cwd": "/",
                "stdout": log,
                "stderr": log,
                "stdin": subprocess.DEVNULL,
                **self._as,
            }
            result = subprocess.run(
                [self._bin / "initdb", *words, "--locale=C.UTF-8"], check=False, **options
            )
            if result.returncode:
                raise PostgresError(f"initdb failed:\n{self._log.read_text()}")
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to serve what is there: after ``stop``, again."""
        settings = [word for name, value in CONFIG.items() for word in ("-c", f"{name}={value}")]
        where = ["-D", str(self._home / "data"), "-k", str(self._home)]
        with self._log.open("ab") as log:
            options = {
                "cwd": "/",
                "stdout": log,
                "stderr": log,
                "stdin": subprocess.DEVNULL,
                **self._as,
            }
            self.process = subprocess.Popen([self._bin / "postgres", *where, *settings], **options)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self._home}"

    def _wait(self) -> None:
        until = time.monotonic() + START_TIMEOUT
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError as error:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise PostgresError(
                        f"PostgreSQL does not start:\n{self._log.read_text()}"
                    ) from error
                time.sleep(0.05)


def _somebody_else() -> dict[str, int]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid}
    raise PostgresError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as."
    )


class Databases:
    """Databases of one process on the session's server: empty ones, and such as have every table."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._admin = psycopg.connect(url, autocommit=True)
        self._numbers = count(1)
        copied = self._admin.info.server_version >= 150000  # the only way before
        self._how = (
            "STRATEGY file_copy" if copied else ""
        )  # in memory a tenth of the time of wal_log

    @contextmanager
    def one(self, template: str = "template0") -> Iterator[str]:
        """The URL of a database that lives as long as this; ``template`` may be ``migrated``."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} {self._how}")
        try:
            yield self._url.replace("/postgres?", f"/{name}?")
        finally:
            self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        self._admin.close()


def have_patience() -> None:
    """Let this process wait for a database that is only slow, on a busy machine, and for who has it locked.

    A test that is about one of the limits sets its own.
    """
    for (module, name), seconds in _LIMIT_SECONDS.items():
        setattr(module, name, seconds)


def announce() -> None:
    """Make the session's folder, in memory if there is room, and name it to this process and those it starts."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    folder = tempfile.mkdtemp(prefix="postern-pg-", dir=memory if roomy else None)
    os.environ[SESSION] = f"{os.getpid()}:{folder}"


def session() -> tuple[int, Path]:
    process, _, folder = os.environ[SESSION].partition(":")
    return int(process), Path(folder)


def server_url() -> str:
    """The session's server, begun if this is the first to ask.

    :raises PostgresError: it cannot be.
    """
    process, folder = session()
    try:
        os.close(os.open(folder / "guard", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except FileExistsError:  # another worker was first
        pass
    else:
        command = [sys.executable, "-m", "tests.postgres", str(folder), str(process)]
        with (folder / "guard.log").open("wb") as log:
            guard = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )
        _put(folder / "guard.pid", str(guard.pid))
    until = time.monotonic() + START_TIMEOUT
    while time.monotonic() < until:
        if (folder / "failed").exists():
            raise PostgresError((folder / "failed").read_text())
        if (folder / "ready").exists():
            return (folder / "ready").read_text()
        time.sleep(0.05)
    raise PostgresError(f"not within {START_TIMEOUT} s; see {folder}")


def end() -> None:
    """End the session's server if there is one, and forget its folder."""
    if SESSION not in os.environ:
        return
    folder = session()[1]
    if (folder / "guard.pid").exists():
        pid = int((folder / "guard.pid").read_text())
        try:
            os.kill(pid, signal.SIGTERM)
            while (folder / "home").exists():
                os.kill(pid, 0)
                time.sleep(0.05)
        except ProcessLookupError:
            pass
    shutil.rmtree(folder, ignore_errors=True)


def guard(folder: Path, process: int) -> None:
    """Serve until the process is gone."""
    try:
        with Server(folder) as server:
            with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
                admin.execute("CREATE DATABASE migrated TEMPLATE template0")
            migrate.upgrade(server.url("migrated"))
            _put(folder / "ready", server.url("postgres"))
            while _alive(process):
                time.sleep(0.2)
    except Exception as error:
        _put(folder / "failed", str(error))
        raise
    finally:
        shutil.rmtree(folder / "home", ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _put(file: Path, text: str) -> None:
    """Whole or not at all."""
    part = file.with_suffix(".part")
    part.write_text(text)
    part.rename(file)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    guard(Path(sys.argv[1]), int(sys.argv[2]))
