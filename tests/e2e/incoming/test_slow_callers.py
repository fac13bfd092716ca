"""Who sends or reads slowly, or not at all, takes no place from others; nor does a lack of file descriptors."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
import requests

from sandbox import Sandbox
from server.listener import LOG_SECONDS
from tests.e2e.live import ROOT, Live, catalog_for, tcp_sockets, wait_for
from tests.ports import free_port

CONNECTIONS = 100  # that the worker takes
IMPATIENT = ("-c", str(ROOT / "tests" / "e2e" / "incoming" / "impatient.conf.py"))
DRIP = b"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8000\r\n\r\n{"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("slow")
    with Sandbox(port=free_port()) as box:
        service = Live(
            folder, catalog_for(box), gunicorn=("--worker-connections", str(CONNECTIONS))
        )
        try:
            yield service.start()
        finally:
            service.stop()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("impatient")
    with Sandbox(port=free_port()) as box:
        service = Live(folder, catalog_for(box), gunicorn=IMPATIENT)
        try:
            yield service.start()
        finally:
            service.stop()


@contextmanager
def held(live: Live, number: int, begin: bytes = b"", drip: bytes = b"") -> Iterator[None]:
    """So many connections, each of which sends ``drip`` again and again, and comes back when it was ended."""
    done = threading.Event()

    def keep_up() -> None:
        clients: list[socket.socket] = []
        while not done.is_set():
            while len(clients) < number:
                clients.append(connected(live, begin))
            for client in list(clients):
                try:
                    client.send(drip)
                except OSError:
                    clients.remove(client)
            done.wait(1)
        for client in clients:
            client.close()

    thread = threading.Thread(target=keep_up)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(30)


def connected(live: Live, begin: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", live.port), timeout=30)
    client.sendall(begin)
    client.setblocking(False)
    return client


@pytest.mark.parametrize(
    ("begin", "drip"),
    [(DRIP, b" "), (b"GET /healthz HTTP/1.1\r\nX", b"x"), (b"", b""), (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"")],
    ids=["bodies", "heads", "silent", "idle"],
)  # fmt: skip
def test_more_slow_connections_than_the_worker_takes_stop_no_real_caller(
    live: Live, begin: bytes, drip: bytes
) -> None:
    proof = {"Authorization": f"Bearer {live.token()}"}
    with held(live, CONNECTIONS + 50, begin, drip):
        profile = f"{live.url}/api/v1/user/profile"
        answers = [requests.get(profile, headers=proof, timeout=30) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    wait_for(lambda: '"crowded"' in live.log)


def answer_to(live: Live, begin: bytes, drip: bytes, times: int) -> bytes:
    """The answer to who sends ``drip`` each fifth of a second, for as long as there is none."""
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(begin)
        client.settimeout(0.2)
        for _ in range(times):
            try:
                return client.recv(65536)
            except TimeoutError:
                client.sendall(drip)
        client.settimeout(30)
        return client.recv(65536)


@pytest.mark.parametrize(
    ("begin", "drip", "why"),
    [
        (DRIP, b" ", "The body came too slowly; send it again, without long pauses."),
        (DRIP, b"", "The body came too slowly; send it again, without long pauses."),
        (b"GET /healthz HTTP/1.1\r\nX", b"x", "did not come within 4 seconds"),
        (b"G", b"", "did not come within 4 seconds"),
    ],
    ids=["dripping body", "silent body", "dripping head", "silent head"],
)
def test_a_strangers_request_has_a_time_limit(
    impatient: Live, begin: bytes, drip: bytes, why: str
) -> None:
    answer = answer_to(impatient, begin, drip, 100)
    head, _, body = answer.partition(b"\r\n\r\n")
    envelope = json.loads(body)
    assert head.startswith(b"HTTP/1.1 400 ") and b"\r\nConnection: close" in head
    assert envelope["code"] == -3001 and why in envelope["message"]
    assert envelope["request_id"] in impatient.log


def test_a_known_callers_body_may_take_longer(impatient: Live) -> None:
    body = b'{"key": "slow", "value": "' + b"x" * 9000 + b'"}'
    head = (
        f"POST /api/v1/data HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {impatient.token()}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body) + 30}\r\n\r\n"
    )
    answer = answer_to(impatient, head.encode() + body, b" ", 30)
    assert answer.startswith(b"HTTP/1.1 201 ")


def test_who_reads_nothing_of_a_large_answer_is_let_go(impatient: Live) -> None:
    for number in range(10):
        impatient.post("/api/v1/data", json={"key": f"large{number}", "value": "x" * 1_000_000})
    proof = f"Authorization: Bearer {impatient.token()}"
    with socket.socket() as client:
        client.settimeout(30)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", impatient.port))
        client.sendall(
            f"GET /api/v1/data?limit=100 HTTP/1.1\r\nHost: x\r\n{proof}\r\n\r\n".encode()
        )
        assert client.recv(8, socket.MSG_PEEK) == b"HTTP/1.1"
        wait_for(lambda: not has_connection_with(impatient, client.getsockname()[1]))


def worker(live: Live) -> int:
    [child] = live.workers()
    return child


def descriptors(live: Live) -> dict[int, str]:
    """What the worker has open, by number."""
    files = {}
    for link in Path(f"/proc/{worker(live)}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            files[int(link.name)] = str(link.readlink())
    return files


def connections(live: Live) -> int:
    """That the worker has open."""
    return sum(file.startswith("socket:") for file in descriptors(live).values())


def has_connection_with(live: Live, port: int) -> bool:
    """Whether the worker has a connection whose other end is this loopback port."""
    files = descriptors(live).values()
    return any(
        (sock.port, sock.peer_port) == (live.port, port) and f"socket:[{sock.inode}]" in files
        for sock in tcp_sockets()
    )


def test_without_descriptors_it_says_so_once_neither_spins_nor_ends_and_goes_on_afterwards(
    live: Live,
) -> None:
    log = len(live.log)
    pid = worker(live)
    wait_for(lambda: connections(live) < 12)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    numbers = descriptors(live)
    unused = next(number for number in count() if number not in numbers)
    began = time.monotonic()
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (unused, hard))
    try:
        with ExitStack() as stack:
            begin = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX"
            clients = [stack.enter_context(connected(live, begin)) for _ in range(30)]
            wait_for(lambda: '"accept"' in live.log[log:])
            looked = time.monotonic()
            spent = cpu_seconds(pid)
            time.sleep(1)
            spent = cpu_seconds(pid) - spent
            assert spent < (time.monotonic() - looked) / 2
            assert len(clients) == 30
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
            assert requests.get(f"{live.url}/healthz", timeout=30).status_code == 200
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
    lasted = time.monotonic() - began
    lines = [line for line in live.log[log:].splitlines() if line]
    events = [json.loads(line)["event"] for line in lines]
    assert 1 <= events.count("accept") <= 1 + lasted // LOG_SECONDS
    assert "Traceback" not in live.log[log:].replace("\\n", "")
    assert worker(live) == pid


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_start_raises_the_soft_limit_of_descriptors_and_says_how_many_calls_that_allows(
    live: Live,
) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    live.stop(signal.SIGTERM)
    live.prefix = ("sh", "-c", 'ulimit -S -n 256 && exec "$@"', "sh")
    live.restart()
    assert resource.prlimit(worker(live), resource.RLIMIT_NOFILE)[0] == min(hard, 2**20)
    [said] = [json.loads(line) for line in live.log.splitlines() if '"limits"' in line][-1:]
    assert said["descriptors"] == min(hard, 2**20)
    assert said["calls_per_worker"] == 4096
