"""What is sent again, when, and how often; and what never is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import (
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    CredentialError,
    CredentialExpired,
    Failed,
    GatewayError,
    QuotaExceeded,
    ReadTimeout,
    Rejected,
)
from gateway.http.channel import Channel
from sandbox import Sandbox
from tests.gateway.fakes import WECHAT, FakeClock, Gate, Wire, answer, hasty, make_runtime, service

Open = Callable[..., Gate]
OnWire = Callable[..., tuple[Wire, Gate]]
QUICKLY = {"times": 2, "backoff": 0.001, "max_backoff": 0.002}
HEALTH = {"status": "ok"}
NEVER_OPEN = {"min_calls": 1_000_000}


def codes(gate: Gate) -> list[int]:
    return [attempt.code for attempt in gate.trace.attempts]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_get_that_fails_twice_succeeds_at_the_third_attempt(
    gate: Open, box: Sandbox, status: int
) -> None:
    at = gate("GET /v1/health", retry=QUICKLY)
    box.fault("/v1/health", f"status={status}x2")
    assert at.ask() == HEALTH
    assert codes(at) == [-1004, -1004, 0]
    assert [attempt.status for attempt in at.trace.attempts] == [status, status, 200]
    assert len(box.requests) == 3


def test_after_the_last_attempt_its_failure_is_the_answer(gate: Open, box: Sandbox) -> None:
    at = gate("GET /v1/health", retry=QUICKLY)
    box.fault("/v1/health", "status=503")
    with pytest.raises(Failed) as caught:
        at.ask()
    assert (caught.value.status, len(box.requests)) == (503, 3)


def test_each_attempt_has_its_line_in_the_log(gate: Open, box: Sandbox) -> None:
    at = gate("GET /v1/health", retry=QUICKLY)
    box.fault("/v1/health", "status=503x1")
    at.ask(request_id="r-9")
    assert [(line["event"], line["attempt"], line["code"]) for line in at.log.events] == [
        ("attempt", 1, -1004),
        ("attempt", 2, 0),
    ]
    assert {
        (line["request_id"], line["caller"], line["service"], line["method"])
        for line in at.log.events
    } == {("r-9", "user:7", "s", "m")}


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("status=500", Failed), ("status=404", Rejected), ("html", BadResponse), ("short", BadResponse),
     ("status=429", QuotaExceeded), ("status=401", CredentialError), ("status=302", BadResponse)],
)  # fmt: skip
def test_what_would_not_get_better_is_not_sent_again(
    gate: Open, box: Sandbox, fault: str, kind: type[GatewayError]
) -> None:
    at = gate("GET /v1/health", retry=QUICKLY)
    box.fault("/v1/health", fault)
    with pytest.raises(kind):
        at.ask()
    assert len(box.requests) == 1


@pytest.mark.parametrize(
    ("on", "fault", "sent"),
    [
        (["timeout"], "hang", 2), (["connect"], "hang", 1), (["connect"], "reset", 2), (["timeout"], "reset", 1),
        ([500], "status=500", 2), ([], "status=503", 1), ([429], "status=429", 2),
    ],
)  # fmt: skip
def test_only_what_retry_on_names_is_sent_again(
    gate: Open, box: Sandbox, on: list[Any], fault: str, sent: int
) -> None:
    at = gate("GET /v1/health", retry={**QUICKLY, "times": 1, "on": on}, **hasty(fault))
    box.fault("/v1/health", fault)
    with pytest.raises(GatewayError):
        at.ask()
    assert len(box.requests) == sent


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("status=503", Failed),
        ("hang", ReadTimeout),
        ("reset", ConnectionLost),
        ("close", ConnectionLost),
    ],
)
@pytest.mark.parametrize("verb", ["POST", "PATCH"])
def test_post_is_not_sent_again_when_the_outcome_is_unknown(
    gate: Open, box: Sandbox, verb: str, fault: str, kind: type[GatewayError]
) -> None:
    at = gate(f"{verb} /anything", retry=QUICKLY, **hasty(fault))
    box.fault("/anything", fault)
    with pytest.raises(kind):
        at.ask()
    assert len(box.requests) == len(at.trace.attempts) == 1


@pytest.mark.parametrize("verb", ["GET", "HEAD", "PUT", "DELETE"])
def test_an_idempotent_verb_is_sent_again(gate: Open, box: Sandbox, verb: str) -> None:
    at = gate(f"{verb} /anything", retry=QUICKLY)
    box.fault("/anything", "reset", times=1)
    at.ask()
    assert len(box.requests) == 2


def test_a_get_declared_not_idempotent_is_not_sent_again(gate: Open, box: Sandbox) -> None:
    at = gate("GET /anything", retry=QUICKLY, idempotent=False)
    box.fault("/anything", "status=503")
    with pytest.raises(Failed):
        at.ask()
    assert len(box.requests) == 1


def test_a_post_declared_idempotent_is_sent_again(gate: Open, box: Sandbox) -> None:
    at = gate("POST /anything", retry=QUICKLY, idempotent=True)
    box.fault("/anything", "status=503x1")
    at.ask()
    assert len(box.requests) == 2


def test_post_is_sent_again_when_nothing_was_sent(open_gate: Open) -> None:
    with Wire([]) as closed:
        url = closed.url
    at = open_gate({"s": service(url, methods={"m": {"http": "POST /", "retry": QUICKLY}})})
    with pytest.raises(ConnectFailed):
        at.ask()
    assert codes(at) == [-1003, -1003, -1003]


def test_with_an_idempotency_key_the_vendor_honours_a_post_is_sent_again_with_the_same_key(
    gate: Open, box: Sandbox
) -> None:
    at = gate("POST /anything", retry=QUICKLY, idempotency_header="Idem-Key")
    box.fault("/anything", "status=503x2")
    at.ask(idempotency_key="k-1")
    assert len({request.headers["idem-key"] for request in box.requests}) == 1
    assert len(box.requests) == 3


def test_without_a_key_or_a_header_for_it_a_post_is_not_sent_again(
    gate: Open, box: Sandbox
) -> None:
    box.fault("/anything", "status=503")
    for at, key in (
        (gate("POST /anything", retry=QUICKLY, idempotency_header="Idem-Key"), None),
        (gate("POST /anything", retry=QUICKLY), "k-1"),
    ):
        with pytest.raises(Failed):
            at.ask(idempotency_key=key)
    assert len(box.requests) == 2
    assert all("k-1" not in request.headers.values() for request in box.requests)


def test_waits_grow_exponentially_up_to_max_backoff_with_full_jitter(
    gate: Open, box: Sandbox
) -> None:
    clock = FakeClock()
    jitter = iter([1.0, 0.5, 1.0, 0.25, 0.0, 1.0])
    retry = {"times": 5, "backoff": 0.2, "max_backoff": 1}
    at = gate("GET /v1/health", retry=retry, deadline=100, clock=clock, jitter=lambda: next(jitter))
    box.fault("/v1/health", "status=503")
    with pytest.raises(Failed):
        at.ask()
    assert clock.slept == pytest.approx([0.2, 0.5 * 0.4, 0.8, 0.25 * 1, 0.0])


def test_without_a_word_jitter_is_random() -> None:
    runtime = make_runtime(clock=FakeClock())
    values = {runtime.jitter() for _ in range(20)}
    assert len(values) > 10
    assert all(0 <= value < 1 for value in values)


@pytest.mark.parametrize(
    ("fault", "waited"),
    [
        ("status=503;retry-after=7", [7.0]),
        ("status=503", [0.2]),
        ("status=503;retry-after=0", [0.2]),
    ],
)
def test_retry_after_is_obeyed_within_the_deadline(
    gate: Open, box: Sandbox, fault: str, waited: list[float]
) -> None:
    clock = FakeClock()
    retry = {"times": 1, "backoff": 0.2}
    at = gate("GET /v1/health", retry=retry, deadline=10, clock=clock, jitter=lambda: 1.0)
    box.fault("/v1/health", fault, times=1)
    assert at.ask() == HEALTH
    assert clock.slept == waited


def test_a_retry_after_date_is_obeyed_too(gate: Open, box: Sandbox) -> None:
    clock = FakeClock()
    at = gate("GET /v1/health", retry={"times": 1, "on": [429]}, deadline=4000, clock=clock)
    box.fault("/v1/health", "retry-after-date=3600", times=1)
    at.ask()
    assert clock.slept == [pytest.approx(3600, abs=60)]  # the answer has taken a moment


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(gate: Open, box: Sandbox) -> None:
    clock = FakeClock()
    at = gate("GET /v1/health", retry=QUICKLY, deadline=10, clock=clock)
    box.fault("/v1/health", "status=503;retry-after=11")
    with pytest.raises(Failed) as caught:
        at.ask()
    assert (caught.value.retry_after, clock.slept, len(box.requests)) == (11.0, [], 1)


def test_the_retry_budget_stops_a_storm_and_comes_back(gate: Open, box: Sandbox) -> None:
    clock = FakeClock()
    retry = {"times": 5, "backoff": 0.001}
    at = gate(
        "GET /v1/health", on={"breaker": NEVER_OPEN}, retry=retry, clock=clock, jitter=lambda: 0.0
    )
    box.fault("/v1/health", "status=503")
    for _ in range(40):
        with pytest.raises(Failed):
            at.ask()
    assert len(box.requests) <= 40 + 10 + 40 * 0.2
    clock.advance(11)
    before = len(box.requests)
    with pytest.raises(Failed):
        at.ask()
    assert len(box.requests) == before + 6


def test_one_services_storm_does_not_spend_anothers_budget(open_gate: Open, box: Sandbox) -> None:
    method = {"http": "GET /v1/health", "retry": {"times": 5, "backoff": 0.001}}
    declared = service(box.url, methods={"m": method}, breaker=NEVER_OPEN)
    at = open_gate({"s": declared, "t": declared}, clock=FakeClock(), jitter=lambda: 0.0)
    box.fault("/v1/health", "status=503")
    for _ in range(10):
        with pytest.raises(Failed):
            at.ask()
    with pytest.raises(Failed):
        at.ask(service="t")
    assert len(at.trace.attempts) == 6


SEND = {"params": {"touser": {"type": "string"}, "text": {"type": "string"}}}
HELLO = {"touser": "u", "text": "hi"}


def test_a_stale_token_is_renewed_and_even_a_post_sent_once_more(gate: Open, box: Sandbox) -> None:
    at = gate("POST /cgi-bin/message/send", on=WECHAT, **SEND)
    at.ask("m", HELLO)
    box.revoke_tokens()
    assert at.ask("m", HELLO)["msgid"]
    assert codes(at) == [-1012, 0]
    assert box.tokens_issued == 2


def test_a_second_refusal_of_a_fresh_token_is_a_credential_error(
    gate: Open, wire: OnWire, open_gate: Open
) -> None:
    token = answer(b'{"access_token":"t-1","expires_in":7200}')
    refusal = answer(b'{"errcode":40001,"errmsg":"no"}')
    with Wire([token, refusal, token.replace(b"t-1", b"t-2"), refusal]) as server:
        at = open_gate({"s": service(server.url, methods={"m": {"http": "POST /x"}}, **WECHAT)})
        with pytest.raises(CredentialExpired) as caught:
            at.ask()
    assert (caught.value.code, caught.value.vendor_code) == (-1012, "40001")
    assert [line.split(b" HTTP")[0].split(b"=")[-1] for line in server.heard[1::2]] == [
        b"t-1",
        b"t-2",
    ]


def test_renewing_does_not_use_up_the_attempts_that_failures_have(open_gate: Open) -> None:
    token = answer(b'{"access_token":"t-1","expires_in":7200}')
    refusal = answer(b'{"errcode":42001}')
    busy = answer(b"", "503 Busy")
    with Wire([token, refusal, token, busy, busy, answer(b'{"ok":1}')]) as server:
        at = open_gate(
            {
                "s": service(
                    server.url, methods={"m": {"http": "GET /x", "retry": QUICKLY}}, **WECHAT
                )
            }
        )
        assert at.ask() == {"ok": 1}
    assert codes(at) == [-1012, -1004, -1004, 0]


def test_a_busy_vendor_code_inside_a_200_is_sent_again_if_safe(gate: Open, box: Sandbox) -> None:
    for safe, sent in ((True, 3), (False, 1)):
        box.reset()
        at = gate("POST /cgi-bin/message/send", on=WECHAT, retry=QUICKLY, idempotent=safe, **SEND)
        with pytest.raises(Failed):
            at.ask("m", {**HELLO, "touser": "busy"})
        assert len(at.trace.attempts) == sent


def test_a_token_that_cannot_be_had_is_a_credential_error_and_the_call_is_not_sent(
    gate: Open, box: Sandbox
) -> None:
    wrong = {**WECHAT, "auth": {**WECHAT["auth"], "secret": "wrong-secret"}}  # type: ignore[dict-item]
    at = gate("POST /cgi-bin/message/send", on=wrong, **SEND)
    with pytest.raises(CredentialError) as caught:
        at.ask("m", HELLO)
    assert caught.value.detail == "token answer: HTTP 200, code 40125, invalid appsecret"
    assert [request.path for request in box.requests] == ["/cgi-bin/token"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"access_token":5}', b'{"access_token":""}', b"<html>"]
)
def test_a_token_answer_without_a_token_is_a_credential_error(open_gate: Open, body: bytes) -> None:
    with Wire([answer(body)]) as server:
        at = open_gate({"s": service(server.url, methods={"m": {"http": "GET /x"}}, **WECHAT)})
        with pytest.raises(CredentialError):
            at.ask()


@pytest.mark.parametrize("life", [b"1" + b"0" * 400, b"true", b"-5", b"0", b"null", b'"soon"'])
def test_an_odd_life_of_a_token_does_no_harm(open_gate: Open, life: bytes) -> None:
    token = answer(b'{"access_token":"t-1","expires_in":%b}' % life)
    with Wire([token, answer(b'{"ok":1}')]) as server:
        at = open_gate({"s": service(server.url, methods={"m": {"http": "GET /x"}}, **WECHAT)})
        assert at.ask() == {"ok": 1}


def test_what_nobody_foresaw_is_logged_as_a_failure(
    gate: Open, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = gate("GET /v1/health")

    class Broken(RuntimeError):
        pass

    def fail(*_: object, **__: object) -> None:
        raise Broken

    monkeypatch.setattr(Channel, "send", fail)
    with pytest.raises(Broken):
        at.ask()
    assert [line["code"] for line in at.log.events] == codes(at) == [-5000]
