"""Figures and tables in Markdown, and their places in docs/speed.md, in both languages."""

import os
import platform
import re
import statistics
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "docs" / "speed.md", ROOT / "docs" / "speed.zh-CN.md")
HEAD = ("what", "Postern", "peer", "the peer's", "ratio", "target", "reached")


class BenchError(Exception):
    """The numbers would not mean what they say."""


@dataclass(frozen=True)
class Row:
    """What was measured on Postern, and on a peer in the same rounds.

    :ivar what: with its unit, such as ``start to first answer, s``.
    :ivar figures: Postern's, round by round.
    :ivar max_ratio: the most that the figure may be as a multiple of the peer's.
    :ivar max_figure: the most that it may be in itself.
    """

    what: str
    figures: Sequence[float]
    peer: str = ""
    peer_figures: Sequence[float] = ()
    max_ratio: float | None = None
    max_figure: float | None = None

    @property
    def ratios(self) -> list[float]:
        pairs = zip(self.figures, self.peer_figures, strict=True) if self.peer else ()
        return [figure / peer_figure for figure, peer_figure in pairs if peer_figure]

    @property
    def is_reached(self) -> bool | None:
        """Whether the median keeps to the target; None without one."""
        if self.max_ratio is not None:
            return statistics.median(self.ratios) <= self.max_ratio
        if self.max_figure is not None:
            return statistics.median(self.figures) <= self.max_figure
        return None

    def cells(self) -> list[str]:
        target = "-"
        if self.max_ratio is not None:
            target = f"x {self.max_ratio:.2f}"
        elif self.max_figure is not None:
            target = f"{self.max_figure:g}"
        return [
            self.what,
            spread(self.figures),
            self.peer or "-",
            spread(self.peer_figures),
            spread(self.ratios, 2),
            target,
            {None: "-", True: "yes", False: "**no**"}[self.is_reached],
        ]


def targets_table(rows: Iterable[Row]) -> str:
    return table(HEAD, [row.cells() for row in rows])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def spread(values: Sequence[float], digits: int | None = None) -> str:
    """Median (least-most); a dash for none.

    :param digits: after the point; as many as make three in all unless given.
    """
    if not values:
        return "-"
    median = statistics.median(values)
    if digits is None:
        digits = sum(abs(median) < bound for bound in (10, 100)) if median else 0
    if len(values) == 1:
        return f"{median:.{digits}f}"
    return f"{median:.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def machine() -> str:
    """How many cores, and of what."""
    model = platform.machine()
    if line := re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text()):
        model = line[1]
    return f"{os.cpu_count()} cores ({model})"


def python_build() -> str:
    """The interpreter and what its build was told to optimise."""
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    marks = [
        f"{'with' if option in options else 'without'} `{option}`"
        for option in ("--enable-optimizations", "--with-lto")
    ]
    return f"Python {platform.python_version()}, built {' and '.join(marks)}"


def versions(*packages: str) -> str:
    return ", ".join(f"{package} {version(package)}" for package in packages)


def write(mark: str, text: str, path: Path) -> None:
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
