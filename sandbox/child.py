"""Runs a command as a child, passes signals on and gives back its exit status."""

import signal
import subprocess
import sys
from types import FrameType

PATIENCE = 10.0


class _Child:
    """SIGTERM to us goes on to the child, from before it exists so that none can be lost."""

    def __init__(self, command: list[str]) -> None:
        self._told_to_end = False
        self._process: subprocess.Popen[bytes] | None = None
        signal.signal(signal.SIGTERM, self._forward)
        # Set even where SIGINT came to us ignored (a job started with "&"): we are asked to heed it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self._process = subprocess.Popen(command)
        if self._told_to_end:
            self._process.terminate()

    def _forward(self, number: int, frame: FrameType | None) -> None:
        self._told_to_end = True
        if self._process is not None:
            self._process.terminate()

    def wait(self) -> int:
        """The exit status as a shell tells it: 128 + N for one ended by signal N."""
        assert self._process is not None
        try:
            code = self._process.wait()
        except KeyboardInterrupt:
            code = let_end(self._process)
        return code if code >= 0 else 128 - code


def let_end(process: subprocess.Popen[bytes]) -> int:
    """After Ctrl-C, which the child has got itself: waits PATIENCE seconds, then asks, then forces."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for insist in (process.terminate, process.kill):
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            insist()
    return process.wait()


def run(command: list[str]) -> int:
    """127 when there is no such command and 126 when it cannot be run, as in a shell."""
    try:
        return _Child(command).wait()
    except OSError as error:
        print(f"sandbox cannot run {command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
