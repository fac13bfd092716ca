"""python -m bench.profile.before COMMIT: draw docs/profile-before.svg from an earlier tree.

What that tree needs must be installed beside what today's needs.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from bench.profile import BEFORE, CALLS, flame, profile
from bench.report import ROOT, BenchError


def main(commit: str) -> None:
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        tree = Path(folder, "tree")
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)  # noqa: S603 - git
        try:
            stacks = profile(tree, CALLS)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)  # noqa: S603 - git
    flame.write(BEFORE, f"before ({commit})", stacks, sum(stacks.values()))


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except BenchError as failure:
        sys.exit(f"bench: {failure}")
