"""The newcomer's one command, in a copy of what git has, stopped as Ctrl-C stops it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import requests

from tests.e2e.live import ROOT, wait_for
from tests.ports import free_port


def test_make_run_starts_everything_says_how_to_log_in_and_stops_on_ctrl_c(tmp_path: Path) -> None:
    _copy(tmp_path)
    port = free_port()
    out = tmp_path / "out"
    ports = {"PORT": str(port), "SANDBOX_PORT": str(free_port())}
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **ports}
    with out.open("wb") as sink:
        run = subprocess.Popen(
            ["make", "run"], cwd=tmp_path, env=env, stdout=sink, stderr=sink, start_new_session=True
        )
    try:
        wait_for(
            lambda: (
                run.poll() is not None or f"listens on http://127.0.0.1:{port}" in out.read_text()
            ),
            120,
        )
        output = out.read_text()
        curl = re.search(r"^\s*(curl .*/api/v1/login .*)$", output, re.M)
        assert curl, output
        wait_for(lambda: _up(port))
        answer = subprocess.run(
            ["bash", "-c", curl[1]], capture_output=True, text=True, timeout=60, check=True
        ).stdout
        assert '"access_token"' in answer
        token = re.search(r'"access_token": ?"([^"]+)"', answer)[1]
        called = requests.post(
            f"http://127.0.0.1:{port}/api/v1/call/wechat/send_msg",
            json={"touser": "o1", "text": "hi"}, headers={"Authorization": f"Bearer {token}"}, timeout=60,
        )  # fmt: skip
        assert called.json()["code"] == 0, called.text
    finally:
        os.killpg(
            run.pid, signal.SIGINT
        )  # the group that this test started: what Ctrl-C in its terminal reaches
        run.wait(60)
    assert not _up(port)
    assert "Traceback" not in out.read_text()


def _up(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def _copy(folder: Path) -> None:
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in files.stdout.split("\n"):
        if name and not name.startswith("tests/") and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
