"""The fault proxy does each harm that it names, the accounts tell what was not promised, and both work on a real server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from bench.chaos import matrix, restarts, scene, soak
from bench.chaos.__main__ import PAGES
from bench.chaos.accounts import NO_ANSWER, UNAVAILABLE, Account, Answer, Promise
from bench.chaos.proxy import DELAY_SECONDS, FAULTS, FaultProxy
from bench.report import write
from tests.e2e.live import PATIENT
from tests.ports import free_port

SHORT_SECONDS = 0.3
ALL_SECONDS = 30.0


class Echo:
    """Says whatever it is told."""

    def __enter__(self) -> Echo:
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not
        self._acceptor.join(30)  # or it accepts at whatever gets the descriptor next
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(
                    target=self._serve, args=(self._listener.accept()[0],), daemon=True
                ).start()

    @staticmethod
    def _serve(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            while piece := sock.recv(65536):
                sock.sendall(piece)


@pytest.fixture
def proxy() -> Iterator[FaultProxy]:
    with Echo() as echo, FaultProxy(echo.port) as running:
        yield running


def connect(proxy: FaultProxy) -> socket.socket:
    """A connection on which something has been said and heard."""
    sock = socket.create_connection(("127.0.0.1", proxy.port), ALL_SECONDS)
    assert say(sock, b"hello") == b"hello"
    return sock


def say(sock: socket.socket, words: bytes) -> bytes:
    """Say them, and return as much as came back; what is short ended before."""
    sock.sendall(words)
    data = b""
    while len(data) < len(words) and (piece := sock.recv(65536)):
        data += piece
    return data


def test_a_piece_that_is_delayed_comes_late_both_ways(proxy: FaultProxy) -> None:
    with connect(proxy) as sock, proxy.faulty("delay"):
        began = time.monotonic()
        assert say(sock, b"tea") == b"tea"
        assert time.monotonic() - began >= 2 * DELAY_SECONDS


def test_what_is_dropped_comes_when_the_fault_has_ended(proxy: FaultProxy) -> None:
    with connect(proxy) as sock:
        with proxy.faulty("drop"):
            sock.sendall(b"tea")
            sock.settimeout(SHORT_SECONDS)
            with pytest.raises(TimeoutError):
                sock.recv(3)
        sock.settimeout(ALL_SECONDS)
        assert sock.recv(3) == b"tea"


def test_connections_are_reset_old_ones_and_new_ones(proxy: FaultProxy) -> None:
    with connect(proxy) as old, proxy.faulty("reset"):
        with pytest.raises(ConnectionResetError):
            old.recv(1)
        with pytest.raises(ConnectionResetError):
            connect(proxy)
    connect(proxy).close()


def test_a_half_open_connection_stays_silent_and_a_new_one_is_well(proxy: FaultProxy) -> None:
    with connect(proxy) as old:
        with proxy.faulty("half-open"):
            connect(proxy).close()
            old.sendall(b"tea")
        old.settimeout(SHORT_SECONDS)
        with pytest.raises(TimeoutError):
            old.recv(1)
    connect(proxy).close()


def test_garbage_is_as_long_as_what_was_said_and_its_connection_ends_with_the_fault(
    proxy: FaultProxy,
) -> None:
    with connect(proxy) as sock:
        with proxy.faulty("garbage"):
            data = say(sock, b"a cup of tea")
        assert len(data) == 12
        assert data != b"a cup of tea"
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@pytest.mark.parametrize(("fault", "size"), [("drip", 20), ("bandwidth", 1000)])
def test_what_is_slow_comes_whole_and_late(proxy: FaultProxy, fault: str, size: int) -> None:
    with connect(proxy) as sock, proxy.faulty(fault):
        began = time.monotonic()
        assert say(sock, b"x" * size) == b"x" * size
        assert time.monotonic() - began >= SHORT_SECONDS


def test_an_answer_that_was_not_promised_is_told_with_its_text() -> None:
    account = Account(Promise({"read": {UNAVAILABLE}}, 1.0))
    for answer in (
        Answer("read", 0, 0.1),
        Answer("read", UNAVAILABLE, 0.1),
        Answer("read", 0, 1.5),
        Answer("call", UNAVAILABLE, 0.1, "503 away"),
        Answer("read", NO_ANSWER, 0.1, "ConnectionError()"),
    ):
        account.add(answer)

    assert account.unexplained == 3
    assert account.problems == [
        "read is answered 0 after 1.5 s",
        "call is answered -5001: 503 away",
        "read is answered 1: ConnectionError()",
    ]
    assert account.by_code() == "none: 1, 0: 2, -5001: 2"


def test_every_fault_on_every_way_has_a_promise() -> None:
    for way in matrix.WAYS:
        for fault in FAULTS:
            assert matrix.promise(way, fault).seconds


def test_what_grows_after_the_warm_up_is_not_flat() -> None:
    def grown(step: float) -> bool:
        samples = [soak.Sample(80 + step * number, 40, 0.5) for number in range(100)]
        return all(figure.is_flat for figure in soak.figures(samples))

    assert grown(0.0)
    assert not grown(0.2)


@pytest.mark.parametrize("language", PAGES)
def test_each_table_has_its_place_on_the_page(language: str, tmp_path) -> None:
    copy = tmp_path / "page.md"
    copy.write_text(PAGES[language].read_text(encoding="utf-8"), encoding="utf-8")
    row = matrix.Row("Redis", "drop", Account(Promise({}, 1.0)), None)
    for mark, text in (
        ("matrix", matrix.matrix([row], language)),
        ("soak", soak.figures_table(soak.figures([soak.Sample(80, 40, 0.5)]), language)),
        ("restarts", restarts.restarts_table([["all", "1", "2", "0", "0.1"]], language)),
    ):
        write(mark, text, copy)

    assert "| Redis | drop | 0 |  | 0.0 | **" in copy.read_text(encoding="utf-8")


@pytest.mark.server
@pytest.mark.slow
def test_two_minutes_of_load_and_faults_leave_nothing_unexplained_and_nothing_grown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("BUSY_SECONDS", "DATABASE_SECONDS"):  # other tests run beside it
        monkeypatch.setattr(matrix, name, 60.0)
    monkeypatch.setattr(soak, "WELL_SECONDS", 240)
    for name in ("MAX_GROWTH_MIB", "MAX_GROWTH_DESCRIPTORS", "MAX_GROWTH_DISK_MIB"):
        monkeypatch.setattr(soak, name, 3 * getattr(soak, name))
    _, account, problems = soak.run(120, gunicorn=PATIENT)

    assert not problems
    assert account.codes[0] > account.codes.total() / 2


@pytest.mark.server
def test_a_matrix_of_one_short_fault_is_as_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrix, "BUSY_SECONDS", 30.0)  # other tests run beside it
    monkeypatch.setattr(scene, "READ_SECONDS", 20.0)
    for module in (scene, matrix):
        monkeypatch.setattr(module, "DEADLINE_SECONDS", 25.0)
    done, problems = matrix.run(["Redis"], ["reset"], 1.0, gunicorn=PATIENT)

    assert not problems
    assert done[0].account.codes[UNAVAILABLE]
