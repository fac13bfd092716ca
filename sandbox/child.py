"""Runs a command as a child, passes signals on and returns its exit status."""

import signal
import subprocess
import sys
from types import FrameType

GRACE_SECONDS = 10.0


class Child:
    """A running command that gets our SIGTERM, and time to end itself after Ctrl-C.

    No signal handler raises: an exception while the child is being reaped would lose its exit
    status.

    :raises OSError: the command cannot be run.
    """

    def __init__(self, command: list[str], grace_seconds: float = GRACE_SECONDS) -> None:
        self._grace_seconds = grace_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._pending_signal = 0
        self._is_interrupted = False
        self._is_terminated = False
        # Set before the child exists, so that no signal is lost. SIGINT even where it came to us
        # ignored (a job started with "&"): we are asked to heed it, and a handler gives the child
        # the default.
        signal.signal(signal.SIGTERM, self._forward)
        signal.signal(signal.SIGINT, self._wait_for_end)
        signal.signal(signal.SIGALRM, self._insist)
        self._process = subprocess.Popen(command)  # noqa: S603 - the command that the sandbox is started with
        if self._pending_signal:
            self._process.send_signal(self._pending_signal)

    def wait(self) -> int:
        """Return the exit status as a shell tells it: 128 + N for a child ended by signal N."""
        assert self._process is not None
        code = self._process.wait()
        signal.setitimer(signal.ITIMER_REAL, 0)
        if code < 0:
            return 128 - code
        return code

    def _forward(self, number: int, frame: FrameType | None) -> None:
        if self._process is None:
            self._pending_signal = number
        else:
            self._process.send_signal(number)

    def _wait_for_end(self, number: int, frame: FrameType | None) -> None:
        """Handle Ctrl-C, which reaches the child as well, by setting the child a time limit."""
        if self._is_interrupted:
            return
        self._is_interrupted = True
        signal.setitimer(signal.ITIMER_REAL, self._grace_seconds, self._grace_seconds)
        if self._process is None:
            self._pending_signal = number

    def _insist(self, number: int, frame: FrameType | None) -> None:
        """Ask the child to end when its time is up, and force it when that did not help."""
        if self._process is None:
            return
        if self._is_terminated:
            self._process.kill()
        else:
            self._process.terminate()
        self._is_terminated = True


def run(command: list[str]) -> int:
    """Run the command; 127 when there is none of that name and 126 when it cannot be run, as in a
    shell.
    """
    try:
        return Child(command).wait()
    except FileNotFoundError as error:
        return _report(command, error, 127)
    except OSError as error:
        return _report(command, error, 126)


def _report(command: list[str], error: OSError, status: int) -> int:
    print(f"sandbox cannot run {command[0]}: {error.strerror}", file=sys.stderr)
    return status
