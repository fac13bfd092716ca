"""What goes wrong the first time: named with what to write, without a traceback, whichever way Postern is started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.live import BIN, Live, catalog_for, wait_for
from tests.e2e.process.test_make_run import _copy
from tests.gateway.tinyproxy import PASSWORD, Tinyproxy
from tests.ports import free_port

GBK = "# 端口号\nPORT=5000\n".encode("gbk")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    clone = tmp_path_factory.mktemp("clone")
    _copy(clone)
    return clone


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        yield other.getsockname()[1]


def start(folder: Path, *command: str, **settings: str) -> str:
    """What a start that must fail says."""
    sandbox = {"SANDBOX_PORT": str(free_port())}  # not one that another test has there
    env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), **sandbox, **settings}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    text = done.stdout + done.stderr
    assert done.returncode != 0, text
    assert "Traceback" not in text
    return text


@pytest.mark.parametrize(
    "command", [("gunicorn",), ("make", "run"), ("flask", "catalog", "check")], ids=" ".join
)
def test_what_gunicorn_or_flask_would_stumble_over_before_us_is_told_too(
    folder: Path, command: tuple[str, ...]
) -> None:
    output = start(folder, *command, WEB_CONCURRENCY="auto")
    assert "Postern does not start:\nWEB_CONCURRENCY: must be a whole number" in output
    (folder / ".env").write_bytes(GBK)
    try:
        assert "Postern does not start:\n.env: line 1 is not UTF-8" in start(folder, *command)
    finally:
        (folder / ".env").unlink()


def test_a_key_file_that_is_none_stops_the_start_and_not_each_worker(folder: Path) -> None:
    output = start(folder, "gunicorn", JWT_ALGORITHM="RS256", JWT_PRIVATE_KEY_FILE="README.md")
    assert output.startswith(
        "Postern does not start:\nJWT_PRIVATE_KEY_FILE: README.md is not a PEM"
    )


def test_a_port_that_is_taken_is_named_at_once(folder: Path, taken_port: int) -> None:
    output = start(folder, "gunicorn", PORT=str(taken_port))
    assert f"PORT: {taken_port} is taken by another program" in output
    assert "; put PORT=5050, or another that is free, into .env" in output


def test_an_address_that_is_not_this_machines_is_named(folder: Path) -> None:
    output = start(folder, "gunicorn", PORT=str(free_port()), HOST="203.0.113.7")
    assert "HOST: nobody can listen on 203.0.113.7 here" in output


@pytest.mark.skipif(
    os.environ.get("POSTERN_TEST_TINYPROXY") == "no", reason="POSTERN_TEST_TINYPROXY=no"
)
def test_calls_leave_by_the_proxy_that_the_setting_names_and_its_password_is_in_no_log(
    tmp_path: Path,
) -> None:
    with Sandbox(port=free_port()) as box, Tinyproxy(tmp_path) as proxy:
        live = Live(
            tmp_path,
            catalog_for(box),
            EGRESS_PROXY=proxy.url,
            LOG_LEVEL="debug",
            HTTPS_PROXY="http://x:1",
        )
        try:
            live.start()
            assert live.call("wechat.send_msg", {"touser": "o1", "text": "hi"}).json()["code"] == 0
            assert box.requests and all(
                "tinyproxy" in request.headers["via"] for request in box.requests
            )
            assert PASSWORD not in live.log
            assert "HTTPS_PROXY" not in live.log
            del live.env["EGRESS_PROXY"]
            note = (
                "Postern: warning: HTTPS_PROXY: is not used; calls to services go by EGRESS_PROXY"
            )
            assert note in live.flask("catalog", "check").stderr
        finally:
            live.stop()


def test_make_run_on_a_port_that_is_taken_names_it(folder: Path, taken_port: int) -> None:
    assert f"PORT: {taken_port} is taken by another program" in start(
        folder, "make", "run", PORT=str(taken_port)
    )


def test_it_listens_on_ipv6_and_a_slip_in_a_settings_name_is_a_warning(tmp_path: Path) -> None:
    with (
        Sandbox(port=free_port()) as box,
        socket.create_server(("127.0.0.1", free_port())) as other,
    ):
        port = other.getsockname()[1]
        live = Live(tmp_path, catalog_for(box), HOST="::1", JWT_SECERT="hunter2", PORT=str(port))
        live.url = f"http://[::1]:{port}"
        try:
            live.start()
            assert requests.get(f"{live.url}/healthz", timeout=30).status_code == 200
            assert (
                "Postern: warning: JWT_SECERT: is no setting; did you mean JWT_SECRET?" in live.log
            )
            assert f"Postern: warning: PORT: {port} of 127.0.0.1 is another program's" in live.log
            assert f"listens on http://[::1]:{port}" in live.log
            assert "hunter2" not in live.log
            assert "JWT_SECERT: is no setting" in live.flask("catalog", "check").stderr
            live.process.send_signal(
                signal.SIGHUP
            )  # it reads its settings anew while it has the port
            wait_for(
                lambda: live.process.poll() is not None or live.log.count('"event":"catalog"') > 1
            )
            assert requests.get(f"{live.url}/healthz", timeout=30).status_code == 200
            assert "does not start" not in live.log
        finally:
            live.stop()
