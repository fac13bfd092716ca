"""A real Postern for tests: gunicorn in a process and on a loopback port of its own, with a sandbox behind it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import requests

from sandbox import Sandbox
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
GTHREAD = ("-c", str(ROOT / "tests" / "e2e" / "gthread.conf.py"))
PATIENT = ("-c", str(ROOT / "tests" / "e2e" / "patient.conf.py"))
AS_SHIPPED = ("-c", str(ROOT / "gunicorn.conf.py"))
#: What gunicorn is told, and the kind of database.
SERVERS = {
    "gevent-sqlite": ((), "sqlite"),
    "gthread-sqlite": (GTHREAD, "sqlite"),
    "gevent-postgresql": ((), "postgresql"),
}
#: In place of what ships: no process stands still for that long. Who is about a limit sets one.
PATIENT_LIMITS = {
    "timeout: {connect: 3.05, read: 5}": "timeout: {connect: 20, read: 20}",
    "deadline: 10 ": "deadline: 25 ",
}
#: Of a socket, in /proc/net/tcp.
LISTEN_STATE = "0A"
PASSWORD = "correct-horse-battery"


def wait_for(ready: Callable[[], Any], seconds: float = 60) -> Any:
    """Call ``ready`` until it returns something, and return that."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if result := ready():
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def children_of(pid: int) -> list[int]:
    """Return the ids of the processes that this one started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class TcpSocket(NamedTuple):
    """A line of /proc/net/tcp; the peer's port of one that listens is 0."""

    port: int
    peer_port: int
    state: str
    inode: int


def tcp_sockets() -> list[TcpSocket]:
    """Return all of this machine, of IPv4 and IPv6."""
    lines = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return [
        TcpSocket(int(local[-4:], 16), int(remote[-4:], 16), state, int(inode))
        for _, local, remote, state, _, _, _, _, _, inode, *_ in lines
    ]


def _listener_inodes(port: int) -> set[int]:
    """Return the inodes of the sockets that listen on this port."""
    return {sock.inode for sock in tcp_sockets() if (sock.port, sock.state) == (port, LISTEN_STATE)}


def _polls(pid: int, inodes: set[int]) -> bool:
    """Whether an epoll set of this process watches one of these files."""
    with suppress(OSError):  # it ended meanwhile
        watched = "".join(file.read_text() for file in Path(f"/proc/{pid}/fdinfo").iterdir())
        return any(f" ino:{inode:x} " in watched for inode in inodes)
    return False


def end(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """Tell it to end and wait until it has; one that does not is killed."""
    process.send_signal(how)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Live:
    """One running service: ``url``, ``log``, ``get``, ``post``, ``flask``.

    :param gunicorn: its arguments. Without them a Redis or a PostgreSQL that is slow, as on a busy machine, is waited
        for: what workers share would be each one's own while they take it to be away. Who is about that says
        ``AS_SHIPPED``.
    """

    #: A SQLite file with its tables and ann, as the first server of this process had it.
    _database_template = b""

    def __init__(
        self, folder: Path, catalog: str, *, gunicorn: tuple[str, ...] = (), **settings: str
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_file = folder / "server.log"
        self.gunicorn = gunicorn or (
            PATIENT if settings.keys() & {"REDIS_URL", "DATABASE_URL"} else ()
        )
        self.prefix: tuple[str, ...] = ()  # a command that starts it
        self.catalog_file = folder / "services.yaml"
        self.catalog_file.write_text(catalog, encoding="utf-8")
        self.env = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "ENV": "development",
            "PORT": str(self.port),
            "CATALOG": str(self.catalog_file),
            "CATALOG_COPY": str(folder / "last.yaml"),
            "DATABASE_URL": f"sqlite:///{folder / 'postern.db'}",
            "FILES_DIR": str(folder / "files"),
            "JWT_SECRET": "a secret for tests, 32 bytes or more",
            "DEFAULT_RATE_LIMIT": "1000000/second",
            "DRAIN_SECONDS": "0",
            "PYTHONWARNINGS": "default",
            **settings,
        }
        self.session = requests.Session()
        self.session.trust_env = False

    def start(self) -> Live:
        kind, _, file = self.env["DATABASE_URL"].partition(":///")
        if kind == "sqlite" and Live._database_template:
            Path(file).write_bytes(Live._database_template)
        else:
            self.flask("db", "upgrade")
            self.flask("user", "create", "ann", "--role", "admin", "--password", PASSWORD)
        if kind == "sqlite":
            Live._database_template = Live._database_template or Path(file).read_bytes()
        return self.restart()

    def restart(self) -> Live:
        """Start the server on what is already there."""
        with self.log_file.open("ab") as log:
            command = [*self.prefix, str(BIN / "gunicorn"), *self.gunicorn]
            self.process = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=log, stderr=log)
        try:
            wait_for(self._answers)
            wait_for(self._all_workers_accept)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """At once, or with SIGTERM as an operator would."""
        if not hasattr(self, "process"):
            return  # it never got so far
        workers = self.workers() if self.process.poll() is None else []
        self.session.close()  # a connection that may be used again would be waited for
        end(self.process, how)
        if how is signal.SIGQUIT:  # in which gunicorn's thread worker may hang, for a lock
            for worker in workers:
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)

    def change_catalog(self, text: str) -> None:
        """Put another one in its place, whole: nobody reads half of it."""
        beside = self.catalog_file.with_suffix(".new")
        beside.write_text(text, encoding="utf-8")
        beside.rename(self.catalog_file)

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return self.session.get(f"{self.url}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def workers(self) -> list[int]:
        """Return the process ids of the workers."""
        return children_of(self.process.pid)

    def _all_workers_accept(self) -> bool:
        """Whether as many as asked for have the listener in their event loop: by then each gets its share."""
        assert self.process.poll() is None, self.log
        count = int(self.env.get("WEB_CONCURRENCY", "1"))
        return sum(map(self.accepts, self.workers())) >= count

    def accepts(self, worker: int) -> bool:
        """Whether this worker takes connections that come."""
        return _polls(worker, _listener_inodes(int(self.env["PORT"])))

    @property
    def log(self) -> str:
        """Its whole lines: one that is being written is not there yet."""
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        return text[: text.rfind("\n") + 1]

    def flask(self, *words: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "flask"), *words]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode == 0) is ok, done.stdout + done.stderr
        return done

    def login(self, username: str = "ann", password: str = PASSWORD) -> dict[str, Any]:
        answer = self.session.post(
            f"{self.url}/api/v1/login", json={"username": username, "password": password}
        )
        data: dict[str, Any] = answer.json()["data"]
        return data

    def token(self) -> str:
        if not hasattr(self, "_token"):
            self._token: str = self.login()["access_token"]
        return self._token

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.send("GET", path, **options)

    def post(self, path: str, **options: Any) -> requests.Response:
        return self.send("POST", path, **options)

    def send(self, verb: str, path: str, **options: Any) -> requests.Response:
        """A request with the admin's token unless it brings its own proof."""
        headers = {"Authorization": f"Bearer {self.token()}", **options.pop("headers", {})}
        if "auth" in options:
            del headers["Authorization"]
        return self.session.request(verb, self.url + path, headers=headers, timeout=30, **options)

    def call(
        self, name: str, params: dict[str, Any] | None = None, **options: Any
    ) -> requests.Response:
        """``POST /api/v1/call/<service>/<method>``."""
        return self.post(f"/api/v1/call/{name.replace('.', '/')}", json=params or {}, **options)


def catalog_for(box: Sandbox, more: str = "") -> str:
    """The catalog that ships, against this sandbox; without probes, which would stand among the requests it had.

    Its services are waited for longer, as on a busy machine.

    :param more: services beside its own, indented.
    """
    shipped = (
        (ROOT / "services.yaml")
        .read_text(encoding="utf-8")
        .replace("http://127.0.0.1:${SANDBOX_PORT:-5099}", box.url)
    )
    for limit, patient in PATIENT_LIMITS.items():
        assert shipped.count(limit) == 1, limit
        shipped = shipped.replace(limit, patient)
    return re.sub(r"\n +health: .*", "", shipped).replace("\nservices:\n", f"\nservices:\n{more}")
