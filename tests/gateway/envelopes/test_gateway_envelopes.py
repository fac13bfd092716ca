"""How a vendor's reply becomes data or an error: by status, by WeChat's code, by a description."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import (
    BadResponse,
    CredentialError,
    CredentialExpired,
    Failed,
    GatewayError,
    QuotaExceeded,
    Rejected,
    SignatureRejected,
)
from tests.gateway.fakes import Gate, Wire, answer, service

Open = Callable[..., Gate]
OnWire = Callable[..., tuple[Wire, Gate]]


def read(wire: OnWire, envelope: Any, reply: object, status: str = "200 OK", *headers: str) -> Any:
    body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    _, at = wire(answer(body, status, *headers), http="POST /", envelope=envelope)
    return at.ask()


def failure(
    wire: OnWire, envelope: Any, reply: object, status: str = "200 OK", *headers: str
) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        read(wire, envelope, reply, status, *headers)
    return caught.value


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "299 Odd"])
def test_plain_takes_any_2xx_and_its_body_is_the_data(wire: OnWire, status: str) -> None:
    assert read(wire, "plain", [1, {"a": None}], status) == [1, {"a": None}]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-1, Failed), (40001, CredentialExpired), (40014, CredentialExpired), (42001, CredentialExpired),
        (40013, CredentialError), (40125, CredentialError), (40164, CredentialError), (41001, CredentialError),
        (45009, QuotaExceeded), (45011, QuotaExceeded), (40003, Rejected), (99999, Rejected), ("40003", Rejected),
    ],
)  # fmt: skip
def test_wechat_codes_inside_a_200_count_fully(
    wire: OnWire, code: object, kind: type[GatewayError]
) -> None:
    error = failure(wire, "wechat", {"errcode": code, "errmsg": "said so"})
    # without a fetched token there is nothing to renew: a stale credential is a wrong one
    assert type(error) is (CredentialError if kind is CredentialExpired else kind)
    assert error.vendor_code == str(code)
    assert "said so" in (error.detail or "")
    assert "said so" not in str(error)


@pytest.mark.parametrize(
    ("reply", "data"),
    [
        ({"errcode": 0, "errmsg": "ok", "msgid": 5}, {"msgid": 5}),
        ({"errcode": "0", "msgid": 5}, {"msgid": 5}),
        ({"errcode": None, "msgid": 5}, {"msgid": 5}),
        ({"msgid": 5}, {"msgid": 5}),
        ({"errcode": 0, "errmsg": "ok"}, {}),
    ],
)
def test_a_good_wechat_reply_is_its_data_less_code_and_message(
    wire: OnWire, reply: object, data: object
) -> None:
    assert read(wire, "wechat", reply) == data


@pytest.mark.parametrize("reply", [[], "text", 5, b"", b"null", b"<html>"])
def test_a_wechat_reply_that_is_no_object_is_a_bad_response(wire: OnWire, reply: object) -> None:
    assert type(failure(wire, "wechat", reply)) is BadResponse


DEEP = {"code": "head.status.code", "ok": [0, "200"], "message": "head.status.text", "data": "body.items",
        "errors": {"17": "downstream_quota", "18": "invalid_signature", "19": "downstream_bad_response",
                   "20": "downstream_error", "21": "credential_error", "22": "downstream_rejected"}}  # fmt: skip


def deep(code: object, **body: object) -> dict[str, object]:
    return {"head": {"status": {"code": code, "text": "why"}}, "body": body}


@pytest.mark.parametrize("code", [0, "0", 200, "200"])
def test_dotted_paths_and_codes_as_number_or_text(wire: OnWire, code: object) -> None:
    assert read(wire, DEEP, deep(code, items=[1, 2])) == [1, 2]


def test_data_that_is_null_is_null(wire: OnWire) -> None:
    assert read(wire, DEEP, deep(0, items=None)) is None


@pytest.mark.parametrize(
    "reply",
    [
        deep(0),
        {"head": {"status": 0}},
        {"head": None},
        [],
        deep(None, items=[]),
        {"body": {"items": []}},
    ],
)
def test_a_reply_without_its_code_or_its_data_is_a_bad_response(
    wire: OnWire, reply: object
) -> None:
    assert type(failure(wire, DEEP, reply)) is BadResponse


@pytest.mark.parametrize(
    ("code", "kind"),
    [(17, QuotaExceeded), ("18", SignatureRejected), (19, BadResponse), (20, Failed), (21, CredentialError),
     (22, Rejected), (23, Rejected), (True, Rejected), (1.5, Rejected)],
)  # fmt: skip
def test_the_errors_map_names_what_a_code_means(
    wire: OnWire, code: object, kind: type[GatewayError]
) -> None:
    error = failure(wire, DEEP, deep(code))
    assert type(error) is kind
    assert "why" in (error.detail or "")


def test_true_may_be_the_good_code(wire: OnWire) -> None:
    envelope = {"code": "success", "ok": [True], "data": "d"}
    assert read(wire, envelope, {"success": True, "d": 1}) == 1
    assert type(failure(wire, envelope, {"success": False, "d": 1})) is Rejected


def test_null_among_the_good_codes_lets_the_code_be_absent(wire: OnWire) -> None:
    envelope = {"code": "error.code", "ok": [None], "data": "d"}
    assert read(wire, envelope, {"d": 1}) == 1
    assert type(failure(wire, envelope, {"d": 1, "error": {"code": "x"}})) is Rejected


def test_without_a_data_path_the_data_is_the_reply_less_code_and_message(wire: OnWire) -> None:
    envelope = {"code": "head.code", "ok": ["0"], "message": "text"}
    assert read(wire, envelope, {"head": {"code": 0}, "text": "ok", "a": 1, "b": 2}) == {
        "a": 1,
        "b": 2,
    }


@pytest.mark.parametrize("envelope", ["wechat", DEEP])
@pytest.mark.parametrize(
    ("status", "kind"),
    [("500 Oops", Failed), ("503 Busy", Failed), ("404 Not Found", Rejected), ("429 Slow", QuotaExceeded),
     ("401 Who", CredentialError), ("302 There", BadResponse)],
)  # fmt: skip
def test_a_status_other_than_2xx_is_no_success_whatever_the_body(
    wire: OnWire, envelope: Any, status: str, kind: type[GatewayError]
) -> None:
    for body in (
        b"<html>",
        b"",
        b"{}",
        b'{"errcode":0,"head":{"status":{"code":0}},"body":{"items":[]}}',
    ):
        assert type(failure(wire, envelope, body, status)) is kind


def test_a_service_that_failed_may_be_asked_again_whatever_code_it_gives(wire: OnWire) -> None:
    error = failure(wire, DEEP, deep(22), "503 Busy", "Retry-After: 3")
    assert (type(error), error.retry_after, error.vendor_code) == (Failed, 3, "22")


def test_a_code_inside_a_4xx_is_read(wire: OnWire) -> None:
    error = failure(wire, DEEP, deep(18), "400 Bad Request")
    assert (type(error), error.vendor_code) == (SignatureRejected, "18")


@pytest.mark.parametrize(
    ("status", "kind"), [("429 Slow", QuotaExceeded), ("401 Who", CredentialError)]
)
def test_a_code_nobody_mapped_does_not_hide_a_429_or_a_401(
    wire: OnWire, status: str, kind: type[GatewayError]
) -> None:
    error = failure(wire, DEEP, deep(99), status, "Retry-After: 9")
    assert type(error) is kind
    if kind is QuotaExceeded:
        assert error.retry_after == 9


def test_retry_after_is_kept_beside_a_vendors_quota_code(wire: OnWire) -> None:
    assert failure(wire, DEEP, deep(17), "200 OK", "Retry-After: 9").retry_after == 9


@pytest.mark.parametrize("status", ["429 Slow", "503 Busy"])
def test_retry_after_may_be_a_number_or_a_date(wire: OnWire, status: str) -> None:
    assert failure(wire, "plain", {}, status, "Retry-After: 120").retry_after == 120
    assert (
        failure(wire, "plain", {}, status, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT").retry_after
        == 0
    )
    later = failure(
        wire, "plain", {}, status, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"
    ).retry_after
    assert later is not None
    assert later == 86400
    assert failure(wire, "plain", {}, status).retry_after is None


@pytest.mark.parametrize("date", ["Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 21 Oct 2055 07:28:00 GMT"])
def test_a_retry_after_date_is_measured_by_the_clock_of_the_service_that_says_it(
    wire: OnWire, date: str
) -> None:
    later = date.replace("07:28:00", "07:28:05")
    assert (
        failure(wire, "plain", {}, "429 Slow", f"Date: {date}", f"Retry-After: {later}").retry_after
        == 5
    )
    reset = {"ok": "http", "retry_after": "X-Reset"}
    headers = ("Date: Wed, 21 Oct 2015 07:28:00 GMT", "X-Reset: 1445412487")
    assert failure(wire, reset, {}, "429 Slow", *headers).retry_after == 7


@pytest.mark.parametrize("expose", [True, False])
def test_the_vendors_code_is_to_be_shown_only_where_the_service_says_so(
    open_gate: Open, expose: bool
) -> None:
    with Wire([answer(b'{"errcode":40003}')]) as server:
        methods = {"m": {"http": "GET /"}}
        at = open_gate(
            {
                "s": service(
                    server.url, expose_vendor_code=expose, envelope="wechat", methods=methods
                )
            }
        )
        with pytest.raises(Rejected) as caught:
            at.ask()
    assert (caught.value.vendor_code, caught.value.expose_vendor_code) == ("40003", expose)


def test_a_method_may_have_another_envelope_than_its_service(open_gate: Open) -> None:
    with Wire([answer(b'{"errcode":5}')]) as server:
        methods = {"m": {"http": "GET /", "envelope": "plain"}}
        at = open_gate({"s": service(server.url, envelope="wechat", methods=methods)})
        assert at.ask() == {"errcode": 5}


def test_text_is_given_as_it_is(wire: OnWire) -> None:
    _, at = wire(answer("{ 中 }".encode()), response="text")
    assert at.ask() == "{ 中 }"


def test_a_very_long_vendor_message_is_cut_in_the_log(wire: OnWire) -> None:
    _, at = wire(
        answer(json.dumps({"errcode": "7" * 5000, "errmsg": "x" * 50_000}).encode()),
        envelope="wechat",
    )
    with pytest.raises(Rejected) as caught:
        at.ask()
    assert len(caught.value.detail or "") < 3000
    assert len(at.log.events[0]["why"]) == 201
