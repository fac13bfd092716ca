"""Send again, but only what is safe to send again, within the deadline and the service's retry budget."""

from __future__ import annotations

from gateway.call import Call, Result
from gateway.catalog import Method, Retry
from gateway.circuit import circuit_of
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
from gateway.parts import Handler, Parts
from gateway.policies.backoff import delay
from gateway.policies.retry_budget import RetryBudget


def retry(method: Method, parts: Parts, following: Handler) -> Handler:
    """Repeat a failed attempt.

    Safe are: idempotent methods, calls whose Idempotency-Key the vendor honours, and any call of which not a byte
    was sent; never one whose body was streamed and has begun. A stale credential is renewed and the call sent once
    more, whatever the method: the vendor did nothing.
    Once everything has failed for a while nothing is repeated: the breaker is about to open.
    """
    policy, budget, clock = method.retry, _budget(method, parts), parts.clock
    service, retries, at = method.service.name, parts.metrics.retries, ("base_url", "backup_url")
    breakers = [circuit_of(method.service, parts, each).breaker for each in at]

    def objection(call: Call, error: DownstreamError, failures: int, wait: float) -> str | None:
        """Why it is not sent again."""
        safe = method.idempotent or bool(method.idempotency_header and call.vendor_key)
        if not _wanted(error, policy):
            return f"{error.type} is not among those to repeat"
        if call.spent or not (safe or isinstance(error, ConnectFailed)):
            return "it may have been done, and may not be done twice"
        if failures > policy.times:
            return f"no more than {policy.times} retries"
        if clock.now() + wait >= call.deadline:
            return "the deadline comes first"
        if breakers[call.backup].hopeless:
            return "nothing has succeeded for a while"
        return None if budget.allow_retry() else "the retry budget is spent"

    def again(call: Call, reason: str, said: str) -> None:
        call.trace.note(clock.now(), "retry", said)
        retries.labels(service, reason).inc()

    def handle(call: Call) -> Result:
        budget.record_call()
        failures, renewed = 0, False
        last: DownstreamError | None = None
        while True:
            try:
                return following(call)
            except CredentialExpired:
                if renewed or call.spent:
                    raise
                renewed = True
                again(call, "credential", "the token was refused; once more with another")
            except (DeadlineExceeded, CallRefused) as error:
                raise last or error from error  # it came to this because the service failed: that is what to say
            except DownstreamError as error:
                failures, last = failures + 1, error
                wait = delay(failures, policy.backoff, policy.max_backoff, parts.jitter())
                wait = max(wait, error.retry_after or 0.0)
                if why := objection(call, error, failures, wait):
                    call.trace.note(clock.now(), "no retry", why)
                    raise
                reason = _reason(error)
                again(call, reason, f"{reason}; in {wait:.3f} s")
                clock.sleep(wait)

    return handle


def _budget(method: Method, parts: Parts) -> RetryBudget:
    """One for each service."""
    return parts.keep(("retry budget", method.service.name), lambda: RetryBudget(parts.clock))


def _wanted(error: GatewayError, policy: Retry) -> bool:
    """Whether ``retry.on`` names this kind of failure, and it may pass."""
    reason = error.status if isinstance(error, Failed | QuotaExceeded) else _reason(error)
    return error.retryable and reason in policy.on


def _reason(error: GatewayError) -> str:
    """As ``retry.on`` names it."""
    if isinstance(error, Failed | QuotaExceeded):
        return str(error.status)
    return {-1001: "timeout", -1003: "connect"}.get(error.code, error.type)
