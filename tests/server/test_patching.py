"""A server's start: gevent patches the standard library, and looks into no other distribution for that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PLUGIN = """
[gevent.plugins.monkey.will_patch_all]
other = other_distribution:subscribe
"""
SCRIPT = """
import sys
path = sys.path.copy()
from server import patching
patching.patch_all()
from gevent import monkey
import other_distribution  # is there for all others
print(sys.path == path, monkey.is_module_patched("ssl"), monkey.is_module_patched("subprocess"))
"""


def test_a_start_patches_all_and_reads_no_distribution_for_plugins(tmp_path: Path) -> None:
    packages = tmp_path / "site-packages"
    metadata = packages / "other-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(PLUGIN)
    (packages / "other_distribution.py").write_text(
        "def subscribe(event): raise SystemExit('asked')"
    )
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(packages)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("True True True\n", "")
