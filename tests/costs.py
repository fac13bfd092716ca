"""What one request costs, in figures that depend on no machine: calls of Python functions, of the system, of SQLite.

``tests/costs.json`` has them for the Python named there, and a test compares; ``make costs`` writes the file anew.
``python -m tests.costs call`` tells which functions a request of the kind ``call`` calls, the most called first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from models.database import migrate
from tests.e2e.live import BIN, ROOT
from tests.ports import free_port

FILE = Path(__file__).parent / "costs.json"
CONFIGURATION = Path(__file__).parent / "costs.conf.py"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TIMEOUT_SECONDS = 120
CATALOG = """\
version: 1
services:
  s:
    base_url: http://127.0.0.1:{port}
    allow_private: true
    proxy: [/bytes/*]
    methods:
      call: {{http: POST /anything, params: {{a: {{type: string}}, n: {{type: integer}}}}}}
      cached: {{http: GET /anything, params: {{a: {{type: string}}}}, cache: {{ttl: 3600}}}}
"""
Costs = dict[str, dict[str, int]]


def costs() -> Costs:
    """Return the counts by kind of request."""
    return {
        kind: {name: count for name, count in sorted(counts.items()) if ":" not in name}
        for kind, counts in function_counts().items()
    }


def function_counts() -> Costs:
    """Return the same, and beside it how often each function of Python was called, as ``file:name``."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder, "costs.json")
        vendor_port = free_port()
        Path(folder, "catalog.yaml").write_text(CATALOG.format(port=vendor_port))
        url = f"sqlite:///{folder}/postern.db"
        migrate.upgrade(url)
        env = {
            "PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONHASHSEED": "0", "ENV": "development",
            "PORT": str(free_port()), "CATALOG": f"{folder}/catalog.yaml", "CATALOG_COPY": f"{folder}/copy.yaml",
            "DATABASE_URL": url, "FILES_DIR": f"{folder}/files", "JWT_SECRET": "x" * 32,
            "DEFAULT_RATE_LIMIT": "1000000/second", "DRAIN_SECONDS": "0",
            "COSTS_VENDOR_PORT": str(vendor_port), "COSTS_FILE": str(result),
        }  # fmt: skip
        log = Path(folder, "server.log")
        with log.open("wb") as stream:
            subprocess.run(
                [str(BIN / "gunicorn"), "-c", str(CONFIGURATION)],
                cwd=ROOT, env=env, stdout=stream, stderr=stream, timeout=TIMEOUT_SECONDS, check=False,
            )  # fmt: skip
        assert result.exists(), log.read_text()[-4000:]
        counts: Costs = json.loads(result.read_text())
        return counts


def main(kinds: list[str]) -> None:
    if not kinds:
        FILE.write_text(json.dumps({PYTHON: costs()}, indent=1) + "\n", encoding="utf-8")
    counts = function_counts() if kinds else {}
    for kind in kinds:
        lines = [f"--- {kind}"]
        for name, count in sorted(counts[kind].items(), key=lambda pair: -pair[1]):
            lines.append(f"{count:6} {name}")
        sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main(sys.argv[1:])
