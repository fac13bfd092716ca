"""A vendor's code inside an answer may mean any failure that is the service's, with all that such a failure entails."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from gateway.errors import VENDOR_ERRORS, GatewayError
from tests.gateway.fakes import Gate, Wire, answer, service

Open = Callable[..., Gate]
QUICKLY = {"times": 2, "backoff": 0.001, "max_backoff": 0.002}
CREDENTIALS = {"credential_error", "credential_expired"}
CODES = {
    "downstream_timeout": -1001, "invalid_signature": -1002, "downstream_unreachable": -1003, "downstream_error": -1004,
    "downstream_bad_response": -1005, "downstream_rejected": -1006, "circuit_open": -1007, "downstream_unhealthy": -1008,
    "downstream_quota": -1009,
}  # fmt: skip
#: What a service that is failing says: sent again where that is safe, and the breaker counts it.
FAILING = (
    "downstream_error",
    "downstream_timeout",
    "downstream_unreachable",
    "downstream_unhealthy",
    "circuit_open",
)


def _errors(of: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield of
    for subclass in of.__subclasses__():
        yield from _errors(subclass)


def gate_of(open_gate: Open, server: Wire, http: str, kind: str, **more: Any) -> Gate:
    envelope: Mapping[str, Any] = {"code": "code", "ok": [0], "errors": {"9": kind}}
    return open_gate(
        {"s": service(server.url, methods={"m": {"http": http, "envelope": envelope}}, **more)}
    )


def failure(at: Gate) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        at.ask()
    return caught.value


def test_errors_may_map_to_every_type_that_is_the_service_s_and_to_our_credential_s() -> None:
    downstream = {error.type for error in _errors(GatewayError) if error.source == "downstream"} - {
        "internal_error"
    }
    assert set(VENDOR_ERRORS) == downstream - {"partial_failure"} | CREDENTIALS
    assert set(CODES) | CREDENTIALS == set(VENDOR_ERRORS)


@pytest.mark.parametrize("kind", CODES)
def test_a_code_inside_a_200_is_told_as_the_type_it_is_mapped_to(
    open_gate: Open, kind: str
) -> None:
    with Wire([answer(json.dumps({"code": 9}).encode())]) as server:
        error = failure(gate_of(open_gate, server, "POST /", kind))
    assert (error.type, error.code, error.source, error.vendor_code) == (
        kind,
        CODES[kind],
        "downstream",
        "9",
    )


@pytest.mark.parametrize("kind", FAILING)
@pytest.mark.parametrize(("http", "sent"), [("GET /", 3), ("POST /", 1)])
@pytest.mark.parametrize("status", ["200 OK", "503 Busy"])
def test_a_failure_that_a_code_tells_is_sent_again_only_where_that_is_safe(
    open_gate: Open, kind: str, http: str, sent: int, status: str
) -> None:
    with Wire([answer(json.dumps({"code": 9}).encode(), status)] * 3) as server:
        at = gate_of(open_gate, server, http, kind, retry=QUICKLY)
        error = failure(at)
    assert (error.type, error.retryable, error.not_executed) == (kind, True, False)
    assert len(at.trace.attempts) == sent


@pytest.mark.parametrize(
    ("kind", "state"), [*((kind, "open") for kind in FAILING), ("downstream_rejected", "closed")]
)
def test_the_breaker_counts_what_a_failing_service_says(
    open_gate: Open, kind: str, state: str
) -> None:
    with Wire([answer(json.dumps({"code": 9}).encode())] * 2) as server:
        at = gate_of(
            open_gate, server, "POST /", kind, breaker={"min_calls": 2, "failure_rate": 0.5}
        )
        failure(at)
        failure(at)
        assert at.breaker == state
