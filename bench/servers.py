"""The servers under measure and the sandbox: started, asked for CPU time, stopped by id."""

import json
import os
import re
import resource
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, build_opener

import jwt

from bench import process
from bench.report import ROOT, BenchError

BIN = Path(sys.executable).parent
START_TIMEOUT_SECONDS = 30.0  # also for one setup command
POLL_SECONDS = 0.005
LIFETIME_SECONDS = 86400  # no token ends during a bench
APP_ID = "bench"
SANDBOX = (
    "import threading; from sandbox import Sandbox;"
    f"box = Sandbox(port={{port}}, token_overlap={LIFETIME_SECONDS},"
    f" expires_in={LIFETIME_SECONDS}).start(); "
    "threading.Event().wait()"
)
SERVICES = """\
  bench:
    base_url: {vendor}
    allow_private: true
    proxy: [/bytes/*]
    timeout: {{read: 60}}
    deadline: 60
    methods:
      cached: {{http: GET /anything, params: {{page: {{type: integer}}}}, cache: {{ttl: 3600}}}}
      slow: {{http: GET /fault/delay=5/anything}}
"""
_open = build_opener(ProxyHandler({})).open


@dataclass(frozen=True)
class Program:
    """What starts a server on a port, and the token that its callers show it."""

    name: str
    command: list[str]
    port: int
    token: str = ""
    env: dict[str, str] = field(default_factory=dict)
    folder: Path = ROOT  # to start it in


@dataclass(frozen=True)
class Server:
    """One running server."""

    name: str
    port: int
    token: str
    process: subprocess.Popen[bytes]
    log: Path

    def cpu(self) -> tuple[frozenset[int], float]:
        """Return the process and all below it, and the seconds of CPU that they have used."""
        pids = process.family(self.process.pid)
        return pids, sum(map(process.cpu_seconds, pids))

    @property
    def worker(self) -> int:
        """The id of its only worker."""
        return process.only_worker(self.process.pid)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


class Yard:
    """Starts servers with their files in ``folder``; on leaving, everything it started is ended.

    On entering it starts the sandbox and makes Postern's database, with a user and an app.

    :param tree: where the Postern is that it starts.
    """

    def __init__(self, folder: Path, tree: Path = ROOT) -> None:
        self.folder = folder
        self.tree = tree
        self.database = folder / "postern.db"
        self.servers: list[Server] = []
        # No setting of this machine (proxies, gunicorn's arguments, a database) may reach a server.
        self.env = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "TMPDIR")
            if name in os.environ
        }
        self.env |= {
            "JWT_SECRET": secrets.token_urlsafe(48),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "FILES_DIR": str(folder / "files"),
            "CATALOG_COPY": str(folder / "last.yaml"),
        }

    def __enter__(self) -> "Yard":
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # the sandbox inherits it
        port = free_port()
        command = [sys.executable, "-c", SANDBOX.format(port=port)]
        self.sandbox = self.start(Program("sandbox", command, port))
        self.vendor = f"http://127.0.0.1:{port}"
        query = "grant_type=client_credential&appid=sandbox-app&secret=sandbox-secret"
        self.vendor_token = fetch(f"{self.vendor}/cgi-bin/token?{query}")["access_token"]
        try:
            self.app_token = self._fill_database()  # as id:secret
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        for server in self.servers:
            server.process.terminate()
        for server in self.servers.copy():
            self.stop(server)

    def start(self, program: Program) -> Server:
        """Start it and wait until it answers."""
        log = self.folder / f"{program.name}.log"
        with log.open("ab") as out:
            running = subprocess.Popen(  # noqa: S603 - our own servers
                program.command, cwd=program.folder, env=self.env | program.env,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        server = Server(program.name, program.port, program.token, running, log)
        self.servers.append(server)
        until = time.monotonic() + START_TIMEOUT_SECONDS
        while not answers(server.port):
            if running.poll() is not None or time.monotonic() > until:
                raise BenchError(f"{server.name} does not start:\n{server.tail()}")
            time.sleep(POLL_SECONDS)
        return server

    def stop(self, server: Server) -> None:
        """End it, in five seconds at most, and whatever it left of its own session."""
        server.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.process.wait(5)
        with suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        self.servers.remove(server)

    def postern(self, name: str = "Postern", more: str = "", *options: str) -> Program:
        """As in use: gunicorn with gunicorn.conf.py and a database.

        :param more: services beside those of the catalog that ships, as they stand in a catalog.
        :param options: of gunicorn.
        """
        catalog = self.folder / f"{name}.yaml"
        port = free_port()
        text, count = re.subn(
            r"(base_url: )\S+", rf"\g<1>{self.vendor}", (self.tree / "services.yaml").read_text()
        )
        if not count:
            raise BenchError("services.yaml has no base_url to point at the sandbox")
        more += SERVICES.format(vendor=self.vendor)
        catalog.write_text(text.replace("\nservices:\n", f"\nservices:\n{more}", 1))
        env = {
            "ENV": "development", "LOG_LEVEL": "info", "PORT": str(port), "CATALOG": str(catalog),
            "ACCESS_TOKEN_TTL": str(LIFETIME_SECONDS), "DEFAULT_RATE_LIMIT": "1000000/second",
            "DRAIN_SECONDS": "0",
        }  # fmt: skip
        command = [str(BIN / "gunicorn"), *options]
        return Program(name, command, port, self.token(), env, self.tree)

    def _fill_database(self) -> str:
        """Make the tables, a user and an app; return the app's token."""
        self.flask("db", "upgrade")
        self.flask("user", "create", "bench", "--password", secrets.token_urlsafe(16))
        output = self.flask("app", "create", APP_ID, "--allow", "wechat.*")
        return f"{APP_ID}:{re.search(r'secret: (.+)', output)[1]}"

    def flask(self, *words: str) -> str:
        """Run a command of Postern's to its end and return what it printed."""
        ended = subprocess.run(  # noqa: S603 - our own server
            [str(BIN / "flask"), *words],
            cwd=self.tree,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START_TIMEOUT_SECONDS,
        )
        if ended.returncode:
            raise BenchError(
                f"flask {' '.join(words[:2])} failed:\n"
                f"{ended.stderr.decode(errors='replace')[-2000:]}"
            )
        return ended.stdout.decode(errors="replace")

    def token(self) -> str:
        """Return a token of the first user, as a login would."""
        now = int(time.time())
        claims = {
            "sub": "1",
            "role": "user",
            "iat": now,
            "nbf": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": secrets.token_hex(16),
        }
        return jwt.encode(
            claims | {"iss": "postern", "aud": "postern"}, self.env["JWT_SECRET"], "HS256"
        )

    def received(self) -> int:
        """How many requests have reached the sandbox."""
        return int(fetch(f"{self.vendor}/_sandbox/stats")["requests"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Whether an HTTP server answers there, whatever it answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_SECONDS)
    with closing(connection), suppress(OSError, HTTPException):
        connection.request("GET", "/healthz")
        connection.getresponse().read()
        return True
    return False


def fetch(url: str) -> Any:
    """:raises BenchError: it does not answer with JSON."""
    try:
        with _open(url, timeout=START_TIMEOUT_SECONDS) as response:
            return json.load(response)
    except (HTTPError, URLError, OSError, ValueError) as error:
        raise BenchError(f"{url.partition('?')[0]}: {error}") from error
