"""What gevent and gunicorn report is JSON in the one log, and not on standard error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FAILING = """
from gevent import monkey
monkey.patch_all()
import sys
import gevent
from gunicorn.config import Config
from api import logs
from gateway.masking import Masker, Secret
from server.log import Logger, watch_hub

masker = Masker()
masker.register(Secret("a-secret-of-ours"))
logs.configure("info", masker, sys.stdout.buffer)
watch_hub()
gevent.spawn(lambda: 1 / 0).join()
try:
    raise ValueError("a-secret-of-ours")
except ValueError:
    Logger(Config()).exception("Error handling %s", "a-secret-of-ours")
"""


def test_what_fails_in_a_greenlet_or_in_gunicorn_is_a_line_of_json_without_secrets() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    greenlet, gunicorn = map(json.loads, done.stdout.splitlines())
    assert (greenlet["event"], greenlet["level"]) == ("unforeseen", "error")
    assert "ZeroDivisionError" in greenlet["exception"]
    assert (gunicorn["event"], gunicorn["level"]) == ("server", "error")
    assert "ValueError" in gunicorn["exception"]
    assert "a-secret-of-ours" not in done.stdout
    assert not done.stderr
