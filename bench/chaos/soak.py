"""Whether a Postern stays as large as it is: half an hour of load, and a fault now and then."""

import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench import process
from bench.chaos.accounts import Account, Promise
from bench.chaos.callers import Load
from bench.chaos.matrix import KINDS, WAYS, WELL_SECONDS, promise
from bench.chaos.proxy import FAULTS
from bench.chaos.scene import Scene, scene
from bench.report import table
from tests.e2e.live import AS_SHIPPED

SECONDS_BETWEEN = 0.5  # two requests of one caller: the service knows 10,000 charges
SAMPLE_SECONDS = 2.0
FAULT_SECONDS = 4.0
SECONDS_BETWEEN_FAULTS = 20.0  # in a soak of half an hour; fewer in a shorter one
WARM_UP_SHARE = 0.3  # of the time, in which caches and pools become as large as they will
MAX_GROWTH_MIB = 6.0  # of one worker
#: Of all workers, as callers come and go between them: one for each caller, whose requests take a
#: connection to Redis, PostgreSQL or the service each at one moment, or not. What leaks one at each
#: fault grows by more than 50.
MAX_GROWTH_DESCRIPTORS = 16
MAX_GROWTH_DISK_MIB = 1.0  # beside what the callers uploaded
HEADS = {
    "en": ("what", "after the warm-up", "at the end", "most it may grow", "flat"),
    "zh": ("指标", "预热后", "结束时", "允许增长", "平稳"),
}


@dataclass(frozen=True)
class Sample:
    """MiB resident of the largest worker; descriptors of all; MiB on the disk beside uploads."""

    memory: float
    descriptors: float
    disk: float


def sample(scene: Scene) -> Sample:
    workers = scene.live.workers()
    return Sample(
        max(process.resident_mib(worker) for worker in workers),
        sum(len(list(Path(f"/proc/{worker}/fd").iterdir())) for worker in workers),
        _disk_bytes(scene) / process.MIB,
    )


def _disk_bytes(scene: Scene) -> int:
    """Return the bytes of all files of Postern's, less its log and what was uploaded."""
    folder = scene.live.log_file.parent
    files = Path(scene.live.env["FILES_DIR"])
    written = (file for file in folder.iterdir() if file.suffix != ".log")
    with psycopg.connect(scene.postgres.url("postern")) as database:
        [uploaded] = database.execute("SELECT coalesce(sum(size), 0) FROM files").fetchone()
    return sum(map(_size, (*written, *files.rglob("*")))) - int(uploaded)


def _size(file: Path) -> int:
    with suppress(FileNotFoundError):  # it was a temporary one
        return file.stat().st_size if file.is_file() else 0
    return 0


@dataclass(frozen=True)
class Figure:
    """What a soak measured, before and after, and the most that it may grow."""

    what: str
    before: float
    after: float
    max_growth: float

    @property
    def is_flat(self) -> bool:
        return self.after - self.before <= self.max_growth

    def cells(self, flat: str, not_flat: str) -> list[str]:
        return [
            self.what,
            f"{self.before:.1f}",
            f"{self.after:.1f}",
            f"{self.max_growth:g}",
            flat if self.is_flat else f"**{not_flat}**",
        ]


def figures(samples: list[Sample]) -> list[Figure]:
    """Compare the samples right after the warm-up with as many at the end, by their medians."""
    count = max(1, len(samples) // 10)
    begin = int(len(samples) * WARM_UP_SHARE)
    before = samples[begin : begin + count]
    after = samples[-count:]

    def figure(what: str, name: str, max_growth: float) -> Figure:
        middles = [
            statistics.median(getattr(sample, name) for sample in part) for part in (before, after)
        ]
        return Figure(what, *middles, max_growth)

    return [
        figure("memory of the largest worker, MiB", "memory", MAX_GROWTH_MIB),
        figure("descriptors of all workers", "descriptors", MAX_GROWTH_DESCRIPTORS),
        figure("disk beside uploads, MiB", "disk", MAX_GROWTH_DISK_MIB),
    ]


def any_promise() -> Promise:
    """Return what callers may see while anything at all fails."""
    promises = [promise(way, fault) for way in WAYS for fault in FAULTS]
    codes = {
        kind: set().union(*(entry.codes.get(kind, set()) for entry in promises)) for kind in KINDS
    }
    return Promise(codes, max(entry.seconds for entry in promises))


def run(
    seconds: float, gunicorn: tuple[str, ...] = AS_SHIPPED
) -> tuple[list[Figure], Account, list[str]]:
    """Return the figures, the account of all requests, and what was not as promised.

    :param gunicorn: its arguments, as `Live` takes them.
    """
    with scene(gunicorn) as under_test:
        account = Account(any_promise())
        with under_test.load(SECONDS_BETWEEN).start(account) as load:
            samples = list(_samples(under_test, load, seconds))
            is_well = load.wait_until_well(WELL_SECONDS) is not None
        problems = [*account.problems, *under_test.problems()]
    if not is_well:
        problems.append("not well at the end")
    done = figures(samples)
    problems += [f"{promise.what} grows" for promise in done if not promise.is_flat]
    return done, account, problems


def _samples(scene: Scene, load: Load, seconds: float) -> Iterator[Sample]:
    """Yield samples for so long, with one fault after the other on one way after the other.

    The last tenth has none, so that what is held while something fails is given back.
    """
    faults = itertools.cycle(itertools.product(FAULTS, WAYS))
    began = time.monotonic()
    between = min(SECONDS_BETWEEN_FAULTS, seconds / 10)
    due = began + between
    while (now := time.monotonic()) < began + seconds:
        if now >= due and now < began + 0.85 * seconds:
            fault, way = next(faults)
            with scene.ways[way].faulty(fault):
                time.sleep(FAULT_SECONDS)
            load.wait_until_well(WELL_SECONDS)
            due = time.monotonic() + between
        time.sleep(SAMPLE_SECONDS)
        yield sample(scene)


def figures_table(done: list[Figure], language: str) -> str:
    words = {"en": ("yes", "no"), "zh": ("是", "否")}[language]
    return table(HEADS[language], [promise.cells(*words) for promise in done])
