"""How long a start takes, what an idle worker holds, and the CPU of short commands."""

import os
import subprocess
import time
from dataclasses import dataclass

from bench.process import resident_mib
from bench.report import ROOT, BenchError, Row
from bench.rounds import Options, measure, progress, rotated
from bench.servers import BIN, Program, Yard
from bench.targets.works import POSTERN, PROGRAMS

NAMES = ("start", "commands")
PEER = "aiohttp"
MAX_START_SECONDS = 1.0
MAX_IDLE_MIB = 75
SETTLE_SECONDS = 0.5
#: With the most seconds of CPU that each may take.
COMMANDS = {("--version",): 0.4, ("--help",): 0.4, ("catalog", "check"): 0.7}


@dataclass(frozen=True)
class Start:
    """Seconds from its start to the first answer of any kind; MiB of the worker then, and after a
    call.
    """

    seconds: float
    idle_mib: float
    called_mib: float


def rows(yard: Yard, options: Options, names: list[str]) -> list[Row]:
    rows = []
    if "start" in names:
        rows += _starts(yard, options)
    if "commands" in names:
        rows += _commands(yard, options)
    return rows


def _starts(yard: Yard, options: Options) -> list[Row]:
    programs = {key: PROGRAMS[key](yard) for key in (POSTERN, PEER)}
    starts: dict[str, list[Start]] = {key: [] for key in programs}
    for program in programs.values():
        _start(yard, program)  # compiles and caches what it imports
    for number in range(options.rounds):
        for key in rotated(programs, number):
            starts[key].append(_start(yard, programs[key]))
        progress(
            f"round {number + 1}/{options.rounds}, start: "
            + ", ".join(f"{key} {starts[key][-1].seconds:.2f} s" for key in starts)
        )
    peer = programs[PEER].name
    return [
        Row(
            "start to first answer, s",
            [start.seconds for start in starts[POSTERN]],
            peer,
            [start.seconds for start in starts[PEER]],
            max_figure=MAX_START_SECONDS,
        ),
        Row(
            "idle worker, MiB",
            [start.idle_mib for start in starts[POSTERN]],
            peer,
            [start.idle_mib for start in starts[PEER]],
            max_figure=MAX_IDLE_MIB,
        ),
        Row(
            "idle worker after one call, MiB",
            [start.called_mib for start in starts[POSTERN]],
            peer,
            [start.called_mib for start in starts[PEER]],
        ),
    ]


def _start(yard: Yard, program: Program) -> Start:
    began = time.perf_counter()
    server = yard.start(program)
    seconds = time.perf_counter() - began
    time.sleep(SETTLE_SECONDS)
    idle_mib = resident_mib(server.worker)
    measure(server, "call", 1, 1)
    time.sleep(SETTLE_SECONDS)
    called_mib = resident_mib(server.worker)
    yard.stop(server)
    return Start(seconds, idle_mib, called_mib)


def _commands(yard: Yard, options: Options) -> list[Row]:
    seconds: dict[tuple[str, ...], list[float]] = {words: [] for words in COMMANDS}
    for words in COMMANDS:
        _command_seconds(yard, words)
    for number in range(options.rounds):
        for words in rotated(COMMANDS, number):
            seconds[words].append(_command_seconds(yard, words))
    return [
        Row(f"`flask {' '.join(words)}`, CPU s", seconds[words], max_figure=target)
        for words, target in COMMANDS.items()
    ]


def _command_seconds(yard: Yard, words: tuple[str, ...]) -> float:
    """Return the CPU that the kernel counted for an ended process."""
    command = subprocess.Popen(  # noqa: S603 - our own command
        [str(BIN / "flask"), *words],
        cwd=ROOT,
        env=yard.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(command.pid, 0)
    command.returncode = os.waitstatus_to_exitcode(status)
    if command.returncode:
        raise BenchError(f"flask {' '.join(words)} failed")
    return usage.ru_utime + usage.ru_stime
