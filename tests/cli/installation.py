"""An installation of its own: Postern's files, a virtual environment with ``postern`` in it, no ``.env`` yet."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEFT_OUT = {".env", ".venv", ".git", "instance", "catalog", "services.yaml"}


class Installation:
    """:ivar typed_in: the folder that commands are typed in, which is another one."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "postern"
        self.typed_in = folder / "elsewhere"
        self.typed_in.mkdir()
        self.root.mkdir()
        for path in ROOT.iterdir():
            if path.name not in LEFT_OUT:
                (self.root / path.name).symlink_to(path)
        shutil.copy(ROOT / "services.yaml", self.root)
        self.bin = self.root / ".venv" / "bin"
        self.bin.mkdir(parents=True)
        prefix = Path(sys.prefix)
        shutil.copy(prefix / "pyvenv.cfg", self.root / ".venv")
        (self.root / ".venv" / "lib").symlink_to(prefix / "lib")
        (self.bin / "python").symlink_to(Path(sys.executable).resolve())
        shutil.copy(ROOT / "cli" / "postern", self.bin)
        self.env = {"PATH": f"{self.bin}:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder)}

    def run(self, *words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["postern", *words],
            cwd=self.typed_in,
            env=self.env | env,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
