"""What /proc says of processes: who is below whom, the CPU they used, the memory they have."""

import threading
from contextlib import suppress
from pathlib import Path

MIB = 1024 * 1024
SAMPLE_SECONDS = 0.02


def family(pid: int) -> frozenset[int]:
    """Return a process and all below it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents[int(stat.parent.name)] = int(fields[1])
    family_pids = {pid}
    while (
        below := {child for child, parent in parents.items() if parent in family_pids} - family_pids
    ):
        family_pids |= below
    return frozenset(family_pids)


def cpu_seconds(pid: int) -> float:
    """Return what all threads of a process have used so far.

    By the scheduler's nanoseconds (proc(5), schedstat): ticks of 10 ms are too coarse.
    """
    nanoseconds = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            nanoseconds += int(file.read_text().split()[0])
    return nanoseconds / 1e9


def only_worker(pid: int) -> int:
    """Return the one process below this one, or itself where it works alone."""
    below = family(pid) - {pid}
    if not below:
        return pid
    [worker] = below
    return worker


def resident_mib(pid: int) -> float:
    """:raises LookupError: it has ended."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(pid)


class MemoryWatch:
    """How large a process becomes while the block runs: ``before`` and ``peak`` in MiB."""

    def __init__(self, pid: int) -> None:
        self.before = self.peak = resident_mib(pid)
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    @property
    def grown(self) -> float:
        return self.peak - self.before

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        with suppress(OSError, LookupError):  # it ended: its user will say so
            while not self._done.wait(SAMPLE_SECONDS):
                self.peak = max(self.peak, resident_mib(self._pid))
