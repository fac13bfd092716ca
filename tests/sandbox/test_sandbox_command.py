"""python -m sandbox as a shell sees it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from sandbox import Sandbox
from sandbox.__main__ import usual_port
from sandbox.child import Child
from tests.ports import free_port

Start = Callable[..., "subprocess.Popen[str]"]
ROOT = Path(__file__).resolve().parents[2]
# Says that it is there, then waits for a line: ended by closing its input or by a signal.
CHILD = "import sys; print('ready', flush=True); sys.stdin.readline(); sys.exit({code})"
TRAPPING = (
    "import signal, sys; signal.signal(signal.{signal}, lambda *a: sys.exit(9));"
    "print('ready', flush=True); sys.stdin.readline()"
)


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str | int) -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        command = [sys.executable, "-m", "sandbox", *map(str, arguments)]
        # A group of its own, so that Ctrl-C can be played without hitting the tests.
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        with process:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture
def handlers() -> Iterator[None]:
    """What a ``Child`` changes is put back."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def serving_port(process: "subprocess.Popen[str]") -> int:
    text = line(process)
    assert text.startswith("sandbox listens on http://127.0.0.1:")
    return int(text.rpartition(":")[2])


def health(port: int) -> int:
    client = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        client.request("GET", "/v1/health")
        return client.getresponse().status
    finally:
        client.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_ends_without_a_trace(
    start: Start, number: signal.Signals
) -> None:
    process = start("--port", 0)
    assert health(serving_port(process)) == 200
    process.send_signal(number)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 0


def test_it_serves_while_a_command_runs_and_ends_with_its_status(start: Start) -> None:
    port = free_port()
    process = start("--port", port, "--", sys.executable, "-c", CHILD.format(code=7))
    assert serving_port(process) == port
    assert line(process) == "ready"
    assert health(port) == 200
    assert process.communicate("\n", timeout=30) == ("", "")
    assert process.returncode == 7
    with pytest.raises(ConnectionRefusedError):
        health(port)


def test_a_sigterm_is_passed_on_to_the_command(start: Start) -> None:
    process = start("--port", 0, "--", sys.executable, "-c", TRAPPING.format(signal="SIGTERM"))
    serving_port(process)
    assert line(process) == "ready"
    process.terminate()
    assert process.wait(30) == 9


def test_a_command_ended_by_a_signal_gives_128_and_its_number(start: Start) -> None:
    process = start("--port", 0, "--", sys.executable, "-c", CHILD.format(code=0))
    serving_port(process)
    assert line(process) == "ready"
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM


def test_on_ctrl_c_it_waits_for_the_command_to_end_itself(start: Start) -> None:
    process = start("--port", 0, "--", sys.executable, "-c", TRAPPING.format(signal="SIGINT"))
    serving_port(process)
    assert line(process) == "ready"
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 9  # before its input is closed, which would end it, too
    assert process.communicate() == ("", "")


def test_the_status_of_a_command_that_ends_while_ctrl_c_is_handled_is_kept(start: Start) -> None:
    """The command ends at once, and the signal arrives while it is being reaped."""
    ending = "import os, signal; os.kill(os.getppid(), signal.SIGINT); os._exit(9)"
    for _ in range(3):
        process = start("--port", 0, "--", sys.executable, "-c", ending)
        serving_port(process)
        assert process.wait(30) == 9


def test_after_ctrl_c_a_command_that_ignores_everything_is_killed(
    handlers: None, capfd: pytest.CaptureFixture[str]
) -> None:
    ignoring = (
        "import os, signal, time;"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"
    )
    running = Child([sys.executable, "-c", ignoring], grace_seconds=0.05)

    assert running.wait() == 128 + signal.SIGKILL
    assert capfd.readouterr().err == ""


def test_a_command_that_does_not_exist_gives_127_and_one_line(start: Start) -> None:
    process = start("--port", 0, "--", "/nowhere/command")
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (
        127,
        "sandbox cannot run /nowhere/command: No such file or directory\n",
    )


def test_where_a_sandbox_has_the_port_the_command_uses_that_one(box: Sandbox, start: Start) -> None:
    process = start("--port", box.port, "--", sys.executable, "-c", CHILD.format(code=5))
    assert line(process) == f"a sandbox listens on {box.url} already: using that one"
    assert line(process) == "ready"
    assert process.communicate("\n", timeout=30) == ("", "")
    assert process.returncode == 5


def test_where_something_else_has_the_port_it_says_so_and_ends_with_1(start: Start) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        port = other.getsockname()[1]
        process = start("--port", port, "--", sys.executable, "-c", CHILD.format(code=5))
        visitor, _ = other.accept()
        visitor.close()
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors.count("\n")) == (1, "", 1)
    assert errors.startswith(f"sandbox cannot listen on http://127.0.0.1:{port}: ")


@pytest.mark.parametrize(
    ("line_in_file", "port"),
    [
        ("SANDBOX_PORT=5150", "5150"),
        ("SANDBOX_PORT='5150'  # mine", "5150"),
        ("export SANDBOX_PORT = 5150", "5150"),
        ("SANDBOX_PORT=", "5099"),
        ("", "5099"),
    ],
)
def test_its_port_is_the_one_that_the_catalog_reads_from_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line_in_file: str, port: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SANDBOX_PORT", raising=False)
    assert usual_port() == "5099"
    (tmp_path / ".env").write_text(f"{line_in_file}\n")
    assert usual_port() == port
    monkeypatch.setenv("SANDBOX_PORT", "5151")
    assert usual_port() == "5151"
