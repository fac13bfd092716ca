"""Tables in Markdown, and their places in docs/speed.md."""

import os
import platform
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.servers import ROOT, BenchError


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def machine() -> str:
    """How many cores, and of what."""
    model = platform.machine()
    if line := re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()):
        model = line[1]
    return f"{os.cpu_count()} cores ({model})"


def versions(*packages: str) -> str:
    names = (f"{package} {version(package)}" for package in packages)
    return ", ".join((f"Python {platform.python_version()}", *names))


def write(mark: str, text: str, path: Path = ROOT / "docs" / "speed.md") -> None:
    """Put ``text`` where the file has ``<!-- mark -->`` and ``<!-- /mark -->``.

    :raises BenchError: it has them not at all, or twice.
    """
    marked = re.compile(rf"(?<=<!-- {mark} -->\n).*?(?=<!-- /{mark} -->)", re.DOTALL)
    new, count = marked.subn(lambda _: f"{text}\n", path.read_text())
    if count != 1:
        raise BenchError(
            f"{path.name} must have <!-- {mark} --> and <!-- /{mark} --> once, each on its own line"
        )
    path.write_text(new)
