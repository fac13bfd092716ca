"""``deploy/use.sh``: another version serves, and no call is refused meanwhile; one that does not start is left again."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.deploy import image
from tests.deploy.container import END_WITH_US, listens
from tests.e2e.live import BIN, PASSWORD, ROOT, children_of, end, wait_for
from tests.held_vendor import HeldVendor
from tests.ports import free_port

#: What systemd does: starts what is at the link, again when it has ended, on a socket that stays open.
#: Here PWD is the link, as after ``cd /opt/postern/current``, and no longer the folder once it has moved.
SERVICE = """\
cd "$1"
while :; do
    sh -c 'cd current && echo $$ > ../../pid && .venv/bin/flask db upgrade && LISTEN_PID=$$ exec .venv/bin/gunicorn' || sleep 1
done
"""
#: What ``systemctl restart`` does; it begins once what ran has ended.
RESTART = """\
#!/bin/sh
pid=$(cat "$POSTERN_ROOT/pid")
kill -TERM "$pid" || true
touch "$POSTERN_ROOT/told"
while kill -0 "$pid"; do sleep 0.1; done
"""
MIGRATION = """\
revision = "9999"
down_revision = "{head}"
def upgrade():
    pass
def downgrade():
    pass
"""


class Machine:
    """``/opt/postern`` with three versions: 1, 2 with a migration more, and 3, which does not start."""

    def __init__(self, root: Path, vendor: HeldVendor) -> None:
        self.root = root
        self.vendor = vendor
        (root / "services.yaml").write_text(f"version: 1\nservices:\n{vendor.entries}")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (root / "restart").write_text(RESTART)
        (root / "restart").chmod(0o755)
        for version in ("1", "2", "3"):
            release = root / "releases" / version
            release.mkdir(parents=True)
            image.copy_content(release)
            (release / ".venv").symlink_to(BIN.parent)
        versions = root / "releases" / "2" / "migrations" / "versions"
        head = max(file.name.partition("_")[0] for file in versions.glob("0*.py"))
        (versions / "9999_more.py").write_text(MIGRATION.format(head=head))
        (root / "releases" / "3" / "wsgi.py").write_text("raise SystemExit('broken')")
        (root / "current").symlink_to("releases/1")
        self.env = {
            "PATH": os.environ["PATH"],
            "POSTERN_ROOT": str(root),
            "POSTERN_URL": self.url,
            "POSTERN_RESTART": str(root / "restart"),
            "ENV": "production",
            "JWT_SECRET": "of the test of versions, long enough",
            "DRAIN_SECONDS": "0",
            "PORT": "1",  # nobody may listen there: the socket is what counts
            "DATABASE_URL": f"sqlite:///{root}/postern.db",
            "FILES_DIR": str(root / "files"),
            "CATALOG": str(root / "services.yaml"),
            "CATALOG_COPY": str(root / "last.yaml"),
        }

    def start(self) -> subprocess.Popen[bytes]:
        command = [*END_WITH_US, "systemd-socket-activate", "--listen", f"127.0.0.1:{self.port}"]
        for name, value in self.env.items():
            command += ["--setenv", f"{name}={value}"]
        command += ["sh", "-c", SERVICE, "sh", str(self.root)]
        with (self.root / "log").open("wb") as log:
            server = subprocess.Popen(command, env=self.env, stdout=log, stderr=log)
        wait_for(lambda: listens(self.port))
        return server

    def use(self, version: str, **env: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", ROOT / "deploy" / "use.sh", version]
        return subprocess.run(
            command, env={**self.env, **env}, capture_output=True, text=True, timeout=500,
            check=False,
        )  # fmt: skip

    def call_vendor(self) -> requests.Response:
        create = ["user", "create", "ann", "--role", "admin", "--password", PASSWORD]
        subprocess.run(
            [BIN / "flask", *create], cwd=self.root / "releases/1", env=self.env,
            check=True, capture_output=True, timeout=120,
        )  # fmt: skip
        login = {"username": "ann", "password": PASSWORD}
        answer = requests.post(f"{self.url}/api/v1/login", json=login, timeout=120)
        headers = {"Authorization": f"Bearer {answer.json()['data']['access_token']}"}
        path = f"{self.url}/api/v1/call/held/wait"
        return requests.post(path, json={}, headers=headers, timeout=120)

    @property
    def pid(self) -> int:
        return int((self.root / "pid").read_text())

    def serving(self) -> str:
        """The version that the running server was started in."""
        return version_of(self.pid)


def version_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cwd").readlink().name


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with HeldVendor() as vendor:
        machine = Machine(tmp_path, vendor)
        server = machine.start()
        try:
            assert requests.get(f"{machine.url}/healthz", timeout=300).status_code == 200
            yield machine
        finally:
            end(server)
            subprocess.run(["kill", "-KILL", str(machine.pid)], check=False)


def test_a_later_version_and_the_earlier_one_again_serve_and_no_call_is_refused(
    machine: Machine,
) -> None:
    statuses: list[int] = []
    over = threading.Event()

    def ask() -> None:
        while not over.wait(0.05):
            statuses.append(requests.get(f"{machine.url}/healthz", timeout=300).status_code)

    caller = threading.Thread(target=ask)
    caller.start()
    try:
        for version in ("2", "1"):  # which finds a database that the later one has migrated
            done = machine.use(version, POSTERN_READY_SECONDS="400")
            assert done.returncode == 0, done.stderr + (machine.root / "log").read_text()
            assert machine.serving() == version
    finally:
        over.set()
        caller.join()
    assert set(statuses) == {200}
    assert "database at 9999, which a later version made" in (machine.root / "log").read_text()


def test_a_call_that_runs_while_another_version_comes_is_answered_by_the_one_that_began_it(
    machine: Machine,
) -> None:
    with ThreadPoolExecutor() as pool:
        call = pool.submit(machine.call_vendor)
        wait_for(lambda: call.done() or machine.vendor.asked.is_set(), 240)
        switch = pool.submit(machine.use, "2", POSTERN_READY_SECONDS="400")
        wait_for((machine.root / "told").exists, 240)
        assert machine.serving() == "1"
        machine.vendor.release.set()
        assert call.result().json()["data"] == {}
        assert switch.result().returncode == 0, switch.result().stderr
    assert machine.vendor.requests == 1
    assert machine.serving() == "2"


def test_a_version_that_does_not_start_is_left_for_the_one_before(machine: Machine) -> None:
    done = machine.use("3", POSTERN_READY_SECONDS="3")
    assert (done.returncode, "1 serves again" in done.stderr) == (1, True)
    assert (machine.root / "current").readlink() == Path("releases/1")
    assert requests.get(f"{machine.url}/healthz", timeout=300).status_code == 200
    assert machine.serving() == "1"


def test_a_version_that_is_not_there_changes_nothing(machine: Machine) -> None:
    done = machine.use("4")
    assert (done.returncode, "make .venv/run" in done.stderr) == (1, True)
    assert (machine.root / "current").readlink() == Path("releases/1")


@pytest.mark.parametrize("signum", [signal.SIGHUP, signal.SIGKILL], ids=["HUP", "worker killed"])
def test_a_worker_begun_after_the_link_has_moved_is_of_the_version_that_runs(
    machine: Machine, signum: signal.Signals
) -> None:
    master = machine.pid
    (worker,) = children_of(master)
    (machine.root / "current").unlink()
    (machine.root / "current").symlink_to("releases/3")  # whose code would end the worker
    os.kill(master if signum == signal.SIGHUP else worker, signum)
    log = machine.root / "log"
    wait_for(lambda: worker not in children_of(master) and children_of(master), 300)
    assert requests.get(f"{machine.url}/healthz", timeout=300).status_code == 200, log.read_text()
    assert machine.pid == master, log.read_text()
    assert {version_of(child) for child in children_of(master)} == {"1"}
