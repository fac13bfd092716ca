"""Send again, within the deadline and the service's retry budget, what is safe to send again."""

from __future__ import annotations

from gateway.backoff import backoff_seconds
from gateway.catalog.model import Method, Retry
from gateway.errors import (
    CallRefused,
    ConnectFailed,
    CredentialExpired,
    CredentialUnavailable,
    DeadlineExceeded,
    DownstreamError,
    Failed,
    GatewayError,
    QuotaExceeded,
)
from gateway.messages import Call, Result
from gateway.runtime import Handler, Runtime

#: Failures before a byte of the call was sent.
NOT_SENT = (ConnectFailed, CredentialUnavailable)
#: Failures that ``retry.on`` names by their HTTP status.
WITH_STATUS = (Failed, QuotaExceeded, CredentialUnavailable)


def retry(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Repeat a failed attempt.

    Safe are: idempotent methods, calls whose Idempotency-Key the vendor honours, and any call of
    which not a byte was sent; never one whose body was streamed and has begun. After a stale
    credential any call is sent once more: the vendor did nothing. Once everything has failed for a
    while nothing is repeated: the breaker is about to open.
    """
    record_call = runtime.retry_budgets.of(method.service).record_call
    retries = _Retries(method, runtime)

    def handle(call: Call) -> Result:
        record_call()
        failures = 0
        renewed = False
        last_failure: GatewayError | None = None
        try:
            while True:
                try:
                    return next_handler(call)
                except CredentialExpired:
                    if renewed or call.body_consumed:
                        raise
                    renewed = True
                    retries.note_renewal(call)
                except (DeadlineExceeded, CallRefused) as error:
                    if last_failure is None:
                        raise
                    # It came to this because the service failed: that is what to say.
                    raise last_failure from error
                except (CredentialUnavailable, DownstreamError) as error:
                    failures += 1
                    last_failure = error
                    if not retries.wait(call, error, failures):
                        raise
        finally:
            # Its traceback has this frame: both would stay until garbage is collected.
            last_failure = None

    return handle


class _Retries:
    """Decides for a method whether and when there is another attempt."""

    def __init__(self, method: Method, runtime: Runtime) -> None:
        service = method.service
        self._method = method
        self._budget = runtime.retry_budgets.of(service)
        self._breaker = runtime.circuits.of(service).breaker
        self._backup_breaker = self._breaker
        if service.backup_url:
            self._backup_breaker = runtime.backup_circuits.of(service).breaker
        self._clock = runtime.clock
        self._jitter = runtime.jitter
        self._count = runtime.metrics.retries.labels

    def wait(self, call: Call, error: GatewayError, failures: int) -> bool:
        """Wait for the next attempt; return False where there is none."""
        seconds = self._delay(error, failures)
        objection = self._objection(call, error, failures, seconds)
        if objection:
            call.trace.note(self._clock.now(), "no retry", objection)
            return False
        reason = _reason(error)
        self._note(call, reason, f"{reason}; in {seconds:.3f} s")
        self._clock.sleep(seconds)
        return True

    def note_renewal(self, call: Call) -> None:
        self._note(call, "credential", "the token was refused; once more with another")

    def _delay(self, error: GatewayError, failures: int) -> float:
        """Return the seconds before the next attempt."""
        policy = self._method.retry
        seconds = backoff_seconds(failures, policy.backoff, policy.max_backoff, self._jitter())
        return max(seconds, error.retry_after or 0.0)

    def _objection(
        self, call: Call, error: GatewayError, failures: int, seconds: float
    ) -> str | None:
        """Return why it is not sent again, if it is not."""
        policy = self._method.retry
        is_safe = self._method.may_repeat(call.vendor_key)
        # The budget comes last: asking it for a retry uses one up.
        if not _is_covered(error, policy):
            return f"{error.type} is not among those to repeat"
        if call.body_consumed or not (is_safe or isinstance(error, NOT_SENT)):
            return "it may have been done, and may not be done twice"
        if failures > policy.times:
            return f"no more than {policy.times} retries"
        if self._clock.now() + seconds >= call.deadline:
            return "the deadline comes first"
        breaker = self._backup_breaker if call.backup else self._breaker
        if breaker.all_recent_failed:
            return "nothing has succeeded for a while"
        if not self._budget.allow_retry():
            return "the retry budget is spent"
        return None

    def _note(self, call: Call, reason: str, detail: str) -> None:
        call.trace.note(self._clock.now(), "retry", detail)
        self._count(self._method.service.name, reason).inc()


def _is_covered(error: GatewayError, policy: Retry) -> bool:
    """Return whether ``retry.on`` names this kind of failure, and it may pass."""
    if isinstance(error, WITH_STATUS):
        return error.retryable and error.status in policy.on
    return error.retryable and _reason(error) in policy.on


def _reason(error: GatewayError) -> str:
    """Return the failure's name in ``retry.on``."""
    if isinstance(error, WITH_STATUS):
        return str(error.status)
    return {-1001: "timeout", -1003: "connect"}.get(error.code, error.type)
