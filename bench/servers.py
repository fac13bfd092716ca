"""The servers under measure and the sandbox: started, asked for CPU time, stopped by id."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

import jwt

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
START_TIMEOUT_SECONDS = 30.0  # also for one setup command
LIFETIME_SECONDS = 86400  # no token ends during a bench
SANDBOX = (
    "import threading; from sandbox import Sandbox;"
    f"box = Sandbox(port={{port}}, token_overlap={LIFETIME_SECONDS},"
    f" expires_in={LIFETIME_SECONDS}).start(); "
    "threading.Event().wait()"
)
_open = build_opener(ProxyHandler({})).open


class BenchError(Exception):
    """The numbers would not mean what they say."""


@dataclass
class Server:
    """One running server: ``token`` is what a caller shows it."""

    name: str
    port: int
    token: str
    process: subprocess.Popen[bytes]
    log: Path

    def cpu(self) -> tuple[frozenset[int], float]:
        """Return the process and all below it, and the seconds of CPU that they have used so far.

        By the scheduler's nanoseconds (proc(5), schedstat), of every thread; ticks of 10 ms are too
        coarse.
        """
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with suppress(FileNotFoundError, ProcessLookupError):
                fields = stat.read_text().rpartition(")")[2].split()
                parents[int(stat.parent.name)] = int(fields[1])
        family = {self.process.pid}
        while below := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= below
        return frozenset(family), sum(map(_cpu_seconds, family))

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]


class Yard:
    """Starts servers with their files in ``folder``; on leaving, everything it started is ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "postern.db"
        self.servers: list[Server] = []
        self.app_token = ":"  # of an app of the Postern that was started last, as id:secret
        # No setting of this machine (proxies, gunicorn's arguments, a database) may reach a server.
        self.env = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "TMPDIR")
            if name in os.environ
        }
        self.env |= {"PYTHONDONTWRITEBYTECODE": "1", "JWT_SECRET": secrets.token_urlsafe(48)}

    def __enter__(self) -> "Yard":
        port = free_port()
        self.sandbox = self.start(
            "sandbox", [sys.executable, "-c", SANDBOX.format(port=port)], {}, port
        )
        return self

    def __exit__(self, *exc_info: object) -> None:
        for server in self.servers:
            server.process.terminate()
        for server in self.servers:
            with suppress(subprocess.TimeoutExpired):
                server.process.wait(5)
            with suppress(
                ProcessLookupError
            ):  # each leads a session of its own: whatever is left of it
                os.killpg(server.process.pid, signal.SIGKILL)
            server.process.wait()

    def start(
        self, name: str, command: list[str], env: dict[str, str], port: int, token: str = ""
    ) -> Server:
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.env | env, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        server = Server(name, port, token, process, log)
        self.servers.append(server)
        until = time.monotonic() + START_TIMEOUT_SECONDS
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                return server
            if process.poll() is not None or time.monotonic() > until:
                raise BenchError(f"{name} does not start:\n{server.tail()}")
            time.sleep(0.05)

    @property
    def vendor(self) -> str:
        return f"http://127.0.0.1:{self.sandbox.port}"

    def postern(self, name: str = "Postern", more: str = "") -> Server:
        """As in use: gunicorn with gunicorn.conf.py, a database, a user of its own, that user's
        login.

        :param more: services beside those of the catalog that ships, as they stand in a catalog.
        """
        path = self.folder / f"{name}.yaml"
        port = free_port()
        text, count = re.subn(
            r"(base_url: )\S+", rf"\g<1>{self.vendor}", (ROOT / "services.yaml").read_text()
        )
        if not count:
            raise BenchError("services.yaml has no base_url to point at the sandbox")
        path.write_text(text.replace("\nservices:\n", f"\nservices:\n{more}", 1))
        user = {"username": f"bench-{port}", "password": secrets.token_urlsafe(16)}
        env = {
            "ENV": "development", "LOG_LEVEL": "info", "PORT": str(port), "CATALOG": str(path),
            "DATABASE_URL": f"sqlite:///{self.database}", "ACCESS_TOKEN_TTL": str(LIFETIME_SECONDS),
            "DEFAULT_RATE_LIMIT": "1000000/second",
        }  # fmt: skip
        flask = [str(BIN / "flask"), "--app", "wsgi"]
        self.run([*flask, "db", "upgrade"], env)
        self.run([*flask, "user", "create", user["username"], "--password", user["password"]], env)
        app_id = f"bench-{port}"
        output = self.run([*flask, "app", "create", app_id, "--allow", "wechat.*"], env)
        self.app_token = f"{app_id}:{re.search(r'secret: (.+)', output)[1]}"
        server = self.start(name, [str(BIN / "gunicorn")], env, port)
        server.token = fetch(f"http://127.0.0.1:{port}/api/v1/login", user)["data"]["access_token"]
        return server

    def uvicorn(self, name: str, target: str) -> Server:
        """A FastAPI peer, on what uvicorn is quickest with."""
        options = ["--loop", "uvloop", "--http", "httptools"]
        return self.peer(
            name, lambda port: ["uvicorn", f"bench.peers.{target}", "--port", str(port), *options]
        )

    def gunicorn(self, name: str, target: str, worker: str, *options: str) -> Server:
        """A WSGI peer, told nothing of Postern's gunicorn.conf.py."""
        options += ("--worker-class", worker, "--keep-alive", "75", "--access-logfile", "-")
        options += ("--config", "/dev/null", "--no-control-socket")
        return self.peer(
            name,
            lambda port: [
                "gunicorn",
                f"bench.peers.{target}",
                "--bind",
                f"127.0.0.1:{port}",
                *options,
            ],
        )

    def peer(self, name: str, command: Callable[[int], list[str]]) -> Server:
        """With its own settings: it is handed the vendor's token and never renews it."""
        query = "grant_type=client_credential&appid=sandbox-app&secret=sandbox-secret"
        port = free_port()
        env = {
            "DATABASE": str(self.database),
            "VENDOR_URL": self.vendor,
            "VENDOR_TOKEN": fetch(f"{self.vendor}/cgi-bin/token?{query}")["access_token"],
            "APP_ID": self.app_token.partition(":")[0],
            "APP_SECRET": self.app_token.partition(":")[2],
        }
        program, *arguments = command(port)
        return self.start(name, [str(BIN / program), *arguments], env, port, self.token())

    def run(self, command: list[str], env: dict[str, str]) -> str:
        """Run a command to its end and return what it printed."""
        process = subprocess.run(
            command,
            cwd=ROOT,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START_TIMEOUT_SECONDS,
        )
        if process.returncode:
            raise BenchError(
                f"{' '.join(command[:5])} failed:\n"
                f"{process.stderr.decode(errors='replace')[-2000:]}"
            )
        return process.stdout.decode(errors="replace")

    def token(self) -> str:
        """A caller's token with the claims that Postern's have."""
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


def _cpu_seconds(pid: int) -> float:
    nanoseconds = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            nanoseconds += int(file.read_text().split()[0])
    return nanoseconds / 1e9


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fetch(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    try:
        with _open(
            Request(url, data, {"Content-Type": "application/json"}), timeout=START_TIMEOUT_SECONDS
        ) as response:
            return json.load(response)
    except (HTTPError, URLError, OSError, ValueError) as error:
        raise BenchError(f"{url.partition('?')[0]}: {error}") from error
