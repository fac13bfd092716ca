"""The fault matrix: each fault on each way, under a steady load, and what the callers saw."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from bench.chaos.accounts import CONFLICT, OUTCOME_UNKNOWN, UNAVAILABLE, Account, Promise
from bench.chaos.callers import Load
from bench.chaos.proxy import FAULTS
from bench.chaos.scene import DEADLINE_SECONDS, Scene, scene
from bench.report import table
from tests.e2e.live import AS_SHIPPED

WAYS = ("Redis", "PostgreSQL", "service")
WELL_SECONDS = 60  # within which all is well again
CALLS = ("call", "signed", "keyed", "charge")
WRITES = ("product", "order", "upload")
KINDS = (*CALLS, *WRITES, "read")
WITH_KEY = ("keyed", "charge", *WRITES)
DATABASE_SECONDS = 15.0  # connect, a connection of the pool, an answer; each has its limit
BUSY_SECONDS = 2.0  # that a machine may add to any answer
TIMEOUT = -1001
UNREACHABLE = -1003
BAD_RESPONSE = -1005
CIRCUIT_OPEN = -1007
DEADLINE = -1011
#: What a call to the service may be answered, by fault; a circuit that opened refuses meanwhile.
SERVICE_CODES = {
    "delay": set(),
    "drop": {TIMEOUT, DEADLINE, CIRCUIT_OPEN},
    "reset": {UNREACHABLE, CIRCUIT_OPEN},
    "half-open": {TIMEOUT, DEADLINE, CIRCUIT_OPEN},
    "garbage": {UNREACHABLE, BAD_RESPONSE, CIRCUIT_OPEN},
    "drip": {TIMEOUT, DEADLINE, CIRCUIT_OPEN},
    "bandwidth": {TIMEOUT, DEADLINE, CIRCUIT_OPEN},
}
HEADS = {
    "en": (
        "way to", "fault", "requests", "answered, by code", "slowest, s", "well again, s",
        "unexplained",
    ),
    "zh": ("通往", "故障", "请求数", "各返回码的次数", "最慢（秒）", "恢复（秒）", "无法解释"),
}  # fmt: skip
ALL_IS_WELL = Promise({}, BUSY_SECONDS)


@dataclass(frozen=True)
class Row:
    """One fault on one way. ``recovery`` is in seconds, None where all was not well in time."""

    way: str
    fault: str
    account: Account
    recovery: float | None

    @property
    def problems(self) -> list[str]:
        more = [] if self.recovery is not None else [f"not well within {WELL_SECONDS} s"]
        return [
            f"{self.way}, {self.fault}: {problem}" for problem in (*self.account.problems, *more)
        ]

    def cells(self) -> list[str]:
        return [
            self.way,
            self.fault,
            str(self.account.codes.total()),
            self.account.by_code(),
            f"{self.account.max_seconds:.1f}",
            "**never**" if self.recovery is None else f"{self.recovery:.1f}",
            str(self.account.unexplained),
        ]


def promise(way: str, fault: str) -> Promise:
    """Return what docs/reliability.md says of this fault on this way."""
    if way == "service":
        codes = {kind: set(SERVICE_CODES[fault]) for kind in CALLS}
        for kind in ("keyed", "charge"):  # its first answer came too late for its second try
            codes[kind] |= {CONFLICT}
        return Promise(codes, DEADLINE_SECONDS + BUSY_SECONDS)
    codes = {kind: {UNAVAILABLE} for kind in KINDS}
    for kind in WITH_KEY:
        codes[kind] |= {CONFLICT}
    if way == "Redis":
        return Promise(codes, DEADLINE_SECONDS + BUSY_SECONDS)
    for kind in ("call", "keyed", "charge"):  # who logged in before is known to Redis
        codes[kind] = set()
    for kind in WRITES:
        codes[kind] |= {OUTCOME_UNKNOWN}
    return Promise(codes, DATABASE_SECONDS)


def harm(load: Load, scene: Scene, way: str, fault: str, seconds: float) -> Row:
    """Do one fault for a while, and until all callers met it; then wait until all is well."""
    account = Account(promise(way, fault))
    load.account = account
    with scene.ways[way].faulty(fault):
        began = time.monotonic()
        time.sleep(seconds)
        load.wait_until_answered(began, WELL_SECONDS)
    recovery = load.wait_until_well(WELL_SECONDS)
    return Row(way, fault, account, recovery)


def rows(scene: Scene, ways: list[str], faults: list[str], seconds: float) -> Iterator[Row | str]:
    """Do every fault on every way; yield each row, and at the end what does not agree."""
    unharmed = Account(ALL_IS_WELL)
    with scene.load().start(unharmed) as load:
        if load.wait_until_well(WELL_SECONDS) is None:
            yield f"not well before any fault: {unharmed.problems}"
            return
        for way in ways:
            for fault in faults:
                yield harm(load, scene, way, fault, seconds)
    yield from scene.problems()


def run(
    ways: list[str], faults: list[str], seconds: float, gunicorn: tuple[str, ...] = AS_SHIPPED
) -> tuple[list[Row], list[str]]:
    """Return the matrix and what was not as promised.

    :param gunicorn: its arguments, as `Live` takes them.
    """
    done: list[Row] = []
    problems: list[str] = []
    with scene(gunicorn) as under_test:
        for row in rows(under_test, ways, faults, seconds):
            if isinstance(row, str):
                problems.append(row)
                continue
            done.append(row)
            problems += row.problems
            print("  ".join(row.cells()), *row.problems, sep="\n    ", flush=True)
    return done, problems


def matrix(done: list[Row], language: str) -> str:
    return table(HEADS[language], [row.cells() for row in done])


assert set(SERVICE_CODES) == set(FAULTS)
