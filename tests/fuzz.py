"""``python -m tests.fuzz [schemathesis' options]``: schemathesis against a Postern of its own, with its sandbox."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from sandbox import Sandbox
from tests.e2e.live import BIN, ROOT, Live, catalog_for
from tests.ports import free_port

LONG = ("--max-examples", "20", "--max-time", "900")


def fuzz(live: Live, *options: str) -> subprocess.CompletedProcess[str]:
    """One at a time: two threads stumble over ``ast`` in Python 3.11. All checks but what tests/schemathesis.toml gives reasons for; the seed is fixed."""
    command = [
        str(BIN / "schemathesis"), "--config-file", str(ROOT / "tests" / "schemathesis.toml"),
        "run", f"{live.url}/openapi.json", "--header", f"Authorization: Bearer {live.token()}",
        "--checks", "all", "--seed", "1", "--continue-on-failure", "--no-color", *options,
    ]  # fmt: skip
    env = {**live.env, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command,
        cwd=live.catalog_file.parent,
        env=env,
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, Sandbox(port=free_port()) as box:
        live = Live(Path(folder), catalog_for(box), ACCESS_TOKEN_TTL="3600").start()
        try:
            done = fuzz(live, *(sys.argv[1:] or LONG))
        finally:
            live.stop()
    sys.stdout.write(done.stdout + done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
