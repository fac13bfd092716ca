"""Small disks for one process and its children: tmpfs in a mount namespace of their own, which takes no root."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

FILL = "postern-test-fill"
ROOT = os.geteuid() == 0


def mounted(sizes: dict[Path, str], *, before: str = "true") -> tuple[str, ...]:
    """A command line's beginning: mounts the disks, of the sizes that mount(8) takes, and starts the rest of it.

    :param before: a shell command that runs once they are there.
    """
    mounts = [
        f"mount -t tmpfs -o size={size} postern-test '{folder}'" for folder, size in sizes.items()
    ]
    script = " && ".join([*mounts, before, 'exec "$@"'])
    return ("unshare", "-m" if ROOT else "-rm", "sh", "-c", script, "sh")


class SmallDisk:
    """The disk at ``folder`` as the process sees it."""

    def __init__(self, process: int, folder: Path) -> None:
        self._process = process
        self._folder = folder
        self.path = Path(f"/proc/{process}/root{folder}")

    def fill(self) -> None:
        """Until not a byte more goes onto it."""
        with (self.path / FILL).open("ab", buffering=0) as out:
            for piece in (64 * 1024, 1024, 1):
                try:
                    while True:
                        out.write(bytes(piece))
                except OSError:
                    continue

    def free(self) -> None:
        (self.path / FILL).unlink(missing_ok=True)

    def remount(self, how: str) -> None:
        """``ro`` or ``rw``."""
        user = [] if ROOT else ["-U", "--preserve-credentials"]
        enter = ["nsenter", *user, "-m", "-t", str(self._process)]
        command = [*enter, "mount", "-o", f"remount,{how}", str(self._folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
