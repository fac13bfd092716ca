"""``examples/two-services``: one command starts two Posterns that call each other by catalog, and ends both."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.e2e.live import ROOT, children_of, end, wait_for
from tests.ports import free_port

SCRIPT = ROOT / "examples" / "two-services" / "run.py"


class Example:
    def __init__(self, folder: Path) -> None:
        self.users_port = free_port()
        self.orders_port = free_port()
        self.log_file = folder / "log"
        command = [sys.executable, str(SCRIPT), "--users-port", str(self.users_port)]
        command += ["--orders-port", str(self.orders_port)]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)

    def token(self) -> str:
        """What it prints once both are up."""
        assert self.process.poll() is None, self.log_file.read_text()
        printed = self.log_file.read_text()
        match = re.search(r"TOKEN=(\S+)[\s\S]*Ctrl-C", printed)
        return match[1] if match else ""


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    running = Example(tmp_path)
    try:
        yield running
    finally:
        end(running.process, signal.SIGINT)


def test_an_order_goes_from_one_to_the_other_and_a_page_is_made_of_both(example: Example) -> None:
    token = wait_for(example.token)
    users = f"http://127.0.0.1:{example.users_port}"
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {token}"
        order = {"user_id": 2, "items": [{"product_id": 1, "quantity": 2}]}
        for replayed in (None, "true"):
            key = {"Idempotency-Key": "order-of-a-test"}
            placed = session.post(
                f"{users}/api/v1/call/orders/place", json=order, headers=key, timeout=30
            )
            assert placed.status_code == 200, placed.text
            assert placed.headers.get("Idempotency-Replayed") == replayed
        page = session.get(f"{users}/api/v1/aggregate/customer_page?id=2", timeout=30)
        parts = page.json()["data"]
        assert parts["user"]["data"]["username"] == "ann"
        assert [item["id"] for item in parts["orders"]["data"]["items"]] == [1]
        nobody = session.get(f"{users}/api/v1/call/users/get?id=99", timeout=30)
        assert nobody.json()["code"] == -1006
    servers = children_of(example.process.pid)
    assert len(servers) == 2
    end(example.process, signal.SIGTERM)
    assert example.process.returncode == 0
    assert not [pid for pid in servers if Path(f"/proc/{pid}").exists()]
