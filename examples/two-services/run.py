"""Starts two Posterns, one for users and one for orders, until Ctrl-C. What they store ends too.

python examples/two-services/run.py --users-port 5001 --orders-port 5002
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
BIN = Path(sys.executable).parent
START_SECONDS = 60


class Instance:
    """One Postern with a database, a folder and keys of its own."""

    def __init__(self, name: str, port: int, folder: Path, shared: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        folder = folder / name
        folder.mkdir()
        self.database = folder / "postern.db"
        self._env = {
            **os.environ,
            **shared,
            "PORT": str(port),
            "CATALOG": str(FOLDER / "services.yaml"),
            "CATALOG_COPY": str(folder / "catalog.yaml"),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "FILES_DIR": str(folder / "files"),
            "JWT_SECRET": secrets.token_urlsafe(48),
            "DRAIN_SECONDS": "0",
        }

    def prepare(self) -> None:
        """Make the tables, and the admin that the other one logs in as."""
        password = self._env["GATE_PASSWORD"]
        self._flask("db", "upgrade")
        self._flask("user", "create", "gate", "--role", "admin", "--password", password)

    def begin_as(self, other: Instance) -> None:
        """Begin with what the other one has."""
        shutil.copy(other.database, self.database)

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Run until the ``with`` ends."""
        with subprocess.Popen([BIN / "gunicorn"], cwd=ROOT, env=self._env) as self._server:  # noqa: S603 - our own server
            try:
                yield
            finally:
                self._server.send_signal(signal.SIGTERM)
                self._server.wait()

    def wait(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._server.poll() is None:
            try:
                urllib.request.urlopen(f"{self.url}/readyz", timeout=2).close()  # noqa: S310 - http
                return
            except OSError:
                time.sleep(0.1)
        raise SystemExit(
            f"{self.url} does not answer; for other ports: --users-port, --orders-port"
        )

    def post(self, path: str, body: object, token: str = "") -> dict[str, object]:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode())  # noqa: S310 - http
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - http
            data: dict[str, object] = json.load(answer)["data"]
            return data

    def log_in(self) -> str:
        """Return an access token of the admin."""
        credentials = {"username": "gate", "password": self._env["GATE_PASSWORD"]}
        return str(self.post("/api/v1/login", credentials)["access_token"])

    def _flask(self, *words: str) -> None:
        command = [BIN / "flask", *words]
        subprocess.run(command, cwd=ROOT, env=self._env, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users-port", type=int, default=5001)
    parser.add_argument("--orders-port", type=int, default=5002)
    ports = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    shared = {
        "USERS_URL": f"http://127.0.0.1:{ports.users_port}",
        "ORDERS_URL": f"http://127.0.0.1:{ports.orders_port}",
        "GATE_PASSWORD": secrets.token_urlsafe(16),
    }
    with tempfile.TemporaryDirectory(prefix="two-services-") as folder:
        users = Instance("users", ports.users_port, Path(folder), shared)
        orders = Instance("orders", ports.orders_port, Path(folder), shared)
        users.prepare()
        orders.begin_as(users)
        try:
            with users.serve(), orders.serve():
                users.wait()
                orders.wait()
                show(users, orders)
                signal.pause()
        except KeyboardInterrupt:
            pass


def show(users: Instance, orders: Instance) -> None:
    """Make a customer, who is known at both, and something to sell; say what to try."""
    token = users.log_in()
    orders_token = orders.log_in()
    customer = {"username": "ann", "password": secrets.token_urlsafe(16)}
    users.post("/api/v1/users", customer, token)
    orders.post("/api/v1/users", customer, orders_token)
    tea = {"name": "Tea", "price": "4.50", "stock": 10}
    orders.post("/api/v1/products", tea, orders_token)
    print(
        f"""
Users are at {users.url}, orders at {orders.url}. With

  TOKEN={token}

ask users to place an order, which it has orders do:

  curl -s {users.url}/api/v1/call/orders/place -H "Authorization: Bearer $TOKEN" \\
    -H 'Content-Type: application/json' \\
    -d '{{"user_id": 2, "items": [{{"product_id": 1, "quantity": 2}}]}}'

and for a page that both of them know a part of:

  curl -s "{users.url}/api/v1/aggregate/customer_page?id=2" -H "Authorization: Bearer $TOKEN"

Ctrl-C ends both.""",
        flush=True,
    )


if __name__ == "__main__":
    main()
