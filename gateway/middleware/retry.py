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

    def handle(call: Call) -> Result:
        budget.record_call()
        safe = method.idempotent or bool(method.idempotency_header and call.vendor_key)
        failures, renewed = 0, False
        last: DownstreamError | None = None
        while True:
            try:
                return following(call)
            except CredentialExpired:
                if renewed or call.spent:
                    raise
                renewed = True
                retries.labels(service, "credential").inc()
            except (DeadlineExceeded, CallRefused) as error:
                raise last or error from error  # it came to this because the service failed: that is what to say
            except DownstreamError as error:
                failures, last = failures + 1, error
                if not (_wanted(error, policy) and (safe or isinstance(error, ConnectFailed)) and not call.spent):
                    raise
                wait = delay(failures, policy.backoff, policy.max_backoff, parts.jitter())
                wait = max(wait, error.retry_after or 0.0)
                if failures > policy.times or clock.now() + wait >= call.deadline or breakers[call.backup].hopeless:
                    raise
                if not budget.allow_retry():
                    raise
                retries.labels(service, _reason(error)).inc()
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
