"""Send again, but only what is safe to send again, within the deadline and the service's retry budget."""

from __future__ import annotations

import threading
from collections import deque

from gateway.backoff import delay
from gateway.catalog.model import Method, Retry
from gateway.clock import Clock
from gateway.errors import (
    CallRefused,
    ConnectFailed,
    CredentialExpired,
    DeadlineExceeded,
    DownstreamError,
    Failed,
    GatewayError,
    QuotaExceeded,
)
from gateway.messages import Call, Result
from gateway.middleware.circuit_breaker import circuit_of
from gateway.runtime import Handler, Runtime

# retry_budget: A retry budget: retries may be at most a share of recent calls, so that they cannot multiply an outage.

WINDOW = 10  # seconds that count as recent


class RetryBudget:
    """Safe under threads.

    :param share: retries allowed per recent call.
    :param reserve: retries allowed in a window however few the calls, or a quiet service could never retry; each worker
        has its own.
    """

    def __init__(self, clock: Clock, share: float = 0.2, reserve: int = 10) -> None:
        self._clock, self._share, self._reserve = clock, share, reserve
        self._buckets: deque[list[int]] = deque()  # [second, calls, retries]
        self._lock = threading.Lock()

    def record_call(self) -> None:
        with self._lock:
            self._bucket()[1] += 1

    def allow_retry(self) -> bool:
        """Whether one more retry fits; it is then counted."""
        with self._lock:
            bucket = self._bucket()
            calls = sum(each[1] for each in self._buckets)
            retries = sum(each[2] for each in self._buckets)
            if retries + 1 > self._reserve + self._share * calls:
                return False
            bucket[2] += 1
            return True

    def _bucket(self) -> list[int]:
        second = int(self._clock.now())
        while self._buckets and self._buckets[0][0] <= second - WINDOW:
            self._buckets.popleft()
        if not self._buckets or self._buckets[-1][0] != second:
            self._buckets.append([second, 0, 0])
        return self._buckets[-1]


# retry: Send again, but only what is safe to send again, within the deadline and the service's retry budget.


def retry(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Repeat a failed attempt.

    Safe are: idempotent methods, calls whose Idempotency-Key the vendor honours, and any call of which not a byte
    was sent; never one whose body was streamed and has begun. A stale credential is renewed and the call sent once
    more, whatever the method: the vendor did nothing.
    Once everything has failed for a while nothing is repeated: the breaker is about to open.
    """
    return _Retry(next_handler, method, runtime).handle


class _Retry:
    def __init__(self, next_handler: Handler, method: Method, runtime: Runtime) -> None:
        self._method, self._runtime, self._next = method, runtime, next_handler
        self._policy, self._budget, self._clock = (
            method.retry,
            _budget(method, runtime),
            runtime.clock,
        )
        at = ("base_url", "backup_url")
        self._breakers = [circuit_of(method.service, runtime, each).breaker for each in at]

    def handle(self, call: Call) -> Result:
        self._budget.record_call()
        failures, renewed = 0, False
        last: DownstreamError | None = None
        try:
            while True:
                try:
                    return self._next(call)
                except CredentialExpired:
                    if renewed or call.spent:
                        raise
                    renewed = True
                    self._again(call, "credential", "the token was refused; once more with another")
                except (DeadlineExceeded, CallRefused) as error:
                    if last is None:
                        raise
                    raise last from error  # it came to this because the service failed: that is what to say
                except DownstreamError as error:
                    failures, last = failures + 1, error
                    wait = self._wait(error, failures)
                    if why := self._objection(call, error, failures, wait):
                        call.trace.note(self._clock.now(), "no retry", why)
                        raise
                    reason = _reason(error)
                    self._again(call, reason, f"{reason}; in {wait:.3f} s")
                    self._clock.sleep(wait)
        finally:
            last = None  # its traceback has this frame: both would stay until garbage is collected

    def _wait(self, error: DownstreamError, failures: int) -> float:
        """Seconds before the next attempt."""
        wait = delay(
            failures, self._policy.backoff, self._policy.max_backoff, self._runtime.jitter()
        )
        return max(wait, error.retry_after or 0.0)

    def _objection(
        self, call: Call, error: DownstreamError, failures: int, wait: float
    ) -> str | None:
        """Why it is not sent again."""
        method, policy = self._method, self._policy
        safe = method.idempotent or bool(method.idempotency_header and call.vendor_key)
        if not _wanted(error, policy):
            return f"{error.type} is not among those to repeat"
        if call.spent or not (safe or isinstance(error, ConnectFailed)):
            return "it may have been done, and may not be done twice"
        if failures > policy.times:
            return f"no more than {policy.times} retries"
        if self._clock.now() + wait >= call.deadline:
            return "the deadline comes first"
        if self._breakers[call.backup].hopeless:
            return "nothing has succeeded for a while"
        return None if self._budget.allow_retry() else "the retry budget is spent"

    def _again(self, call: Call, reason: str, said: str) -> None:
        call.trace.note(self._clock.now(), "retry", said)
        self._runtime.metrics.retries.labels(self._method.service.name, reason).inc()


def _budget(method: Method, runtime: Runtime) -> RetryBudget:
    """One for each service."""
    return runtime.keep(("retry budget", method.service.name), lambda: RetryBudget(runtime.clock))


def _wanted(error: GatewayError, policy: Retry) -> bool:
    """Whether ``retry.on`` names this kind of failure, and it may pass."""
    reason = error.status if isinstance(error, Failed | QuotaExceeded) else _reason(error)
    return error.retryable and reason in policy.on


def _reason(error: GatewayError) -> str:
    """As ``retry.on`` names it."""
    if isinstance(error, Failed | QuotaExceeded):
        return str(error.status)
    return {-1001: "timeout", -1003: "connect"}.get(error.code, error.type)
