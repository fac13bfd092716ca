"""What a description of an envelope can say, shown on small ones and on the sandbox's vendors."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import (
    BadResponse,
    CredentialError,
    Failed,
    GatewayError,
    QuotaExceeded,
    Rejected,
    SignatureRejected,
)
from sandbox import Sandbox
from sandbox.vendors.wechatpay_v2 import APP_ID, MCH_ID, sign
from tests.gateway.fakes import Gate, Wire, answer, service

Open = Callable[..., Gate]
OnWire = Callable[..., tuple[Wire, Gate]]


def read(
    wire: OnWire, envelope: Any, reply: object, status: str = "200 OK", *headers: str, **method: Any
) -> Any:
    body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    return wire(answer(body, status, *headers), envelope=envelope, **method)[1].ask()


def failure(
    wire: OnWire, envelope: Any, reply: object, *status: str, **method: Any
) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        read(wire, envelope, reply, *status, **method)
    return caught.value


TWICE = {"code": ["why", "result", "sent"], "ok": ["YES"], "errors": {"LATE": "downstream_error"}}


@pytest.mark.parametrize(
    ("reply", "code", "kind"),
    [
        ({"sent": "YES", "result": "NO", "why": "LATE"}, "LATE", Failed),
        ({"sent": "YES", "result": "NO"}, "NO", Rejected),
        ({"sent": "NO"}, "NO", Rejected),
        ({"sent": "NO", "result": "YES"}, "NO", Rejected),
        ({"sent": "YES", "result": "YES", "why": "LATE"}, "LATE", Failed),
    ],
)
def test_of_several_codes_all_must_be_good_and_the_first_that_is_not_counts(
    wire: OnWire, reply: object, code: str, kind: type[GatewayError]
) -> None:
    error = failure(wire, TWICE, reply)
    assert (type(error), error.vendor_code) == (kind, code)


def test_of_several_codes_those_that_are_there_suffice(wire: OnWire) -> None:
    assert read(wire, TWICE, {"sent": "YES", "why": "", "a": 1}) == {"a": 1}
    assert type(failure(wire, TWICE, {"a": 1})) is BadResponse


def test_a_code_may_stand_in_a_header_or_in_a_list(wire: OnWire) -> None:
    envelope = {
        "code": ["header:X-Code", "errors.1.code"],
        "ok": [0],
        "errors": {"7": "downstream_quota"},
    }
    assert type(failure(wire, envelope, {}, "200 OK", "x-code: 7")) is QuotaExceeded
    assert failure(wire, envelope, {"errors": [{"code": 1}, {"code": 2}]}).vendor_code == "2"
    assert read(wire, envelope, {"a": 1}, "200 OK", "X-Code: 0") == {"a": 1}


@pytest.mark.parametrize(
    ("code", "kind"),
    [("Auth.Key", CredentialError), ("Auth.", CredentialError), ("XAuth.Key", Rejected), ("Auth.Sign", SignatureRejected),
     ("a+b", Failed), ("aab", Rejected), ("Too.Fast", QuotaExceeded), ("TooFast\n", QuotaExceeded)],
)  # fmt: skip
def test_a_star_in_a_code_stands_for_anything(
    wire: OnWire, code: str, kind: type[GatewayError]
) -> None:
    errors = {"Auth.*": "credential_error", "Auth.Sign": "invalid_signature", "a+b": "downstream_error",
              "*Fast*": "downstream_quota"}  # fmt: skip
    assert (
        type(failure(wire, {"code": "code", "ok": [0], "errors": errors}, {"code": code})) is kind
    )


BY_STATUS = {
    "ok": "http",
    "code": "error.code",
    "message": ["error.text", "text"],
    "errors": {
        "HTTP 403": "credential_error",
        "HTTP *4": "downstream_error",
        "worn": "invalid_signature",
    },
    "messages": {"*too often*": "downstream_quota"},
}


@pytest.mark.parametrize(
    ("reply", "status", "kind"),
    [
        ({}, "403 No", CredentialError), ({}, "404 No", Failed), ({}, "418 No", Rejected),
        ({"error": {"code": "worn"}}, "403 No", SignatureRejected), ({"text": "Asked TOO OFTEN."}, "403 No", QuotaExceeded),
        ({"error": {"text": "too often"}}, "418 No", QuotaExceeded), ({"text": "too often"}, "500 No", QuotaExceeded),
        ({"error": {"code": "worn"}}, "500 No", Failed), ({}, "401 No", CredentialError), ({}, "302 No", BadResponse),
    ],
)  # fmt: skip
def test_the_code_counts_more_than_the_message_and_that_more_than_the_status(
    wire: OnWire, reply: object, status: str, kind: type[GatewayError]
) -> None:
    assert type(failure(wire, BY_STATUS, reply, status)) is kind


@pytest.mark.parametrize(
    "reply", [{"error": {"code": "worn"}, "text": "too often"}, [], None, 5, "x"]
)
def test_where_the_status_decides_a_good_one_makes_all_of_the_body_data(
    wire: OnWire, reply: object
) -> None:
    assert read(wire, BY_STATUS, reply) == reply


def test_where_the_status_decides_no_content_is_no_data(wire: OnWire) -> None:
    assert read(wire, BY_STATUS, b"", "204 No Content") is None


def test_a_204_has_no_code_to_look_for_but_one_in_a_header_counts(wire: OnWire) -> None:
    envelope = {"code": ["ret", "header:X-Result"], "ok": [0], "data": "data"}
    assert read(wire, envelope, b"", "204 No Content") is None
    with pytest.raises(Rejected):
        read(wire, envelope, b"", "204 No Content", "X-Result: 7")
    with pytest.raises(BadResponse):
        read(wire, envelope, b"")


def test_where_the_status_decides_data_may_have_a_place(wire: OnWire) -> None:
    envelope = {"ok": "http", "data": "items.0"}
    assert read(wire, envelope, {"items": [5]}) == 5
    assert type(failure(wire, envelope, {"items": []})) is BadResponse


@pytest.mark.parametrize(
    ("headers", "wait"),
    [(["X-Reset: 30"], 30), (["X-Reset: 30", "Retry-After: 5"], 5), (["X-Reset: 1400000000"], 0),
     (["X-Reset: 9999999999"], 86400), (["X-Reset: soon"], None), ([], None)],
)  # fmt: skip
def test_another_header_may_say_when_to_come_back(
    wire: OnWire, headers: list[str], wait: float | None
) -> None:
    assert (
        failure(
            wire, {"ok": "http", "retry_after": "X-Reset"}, {}, "429 Slow", *headers
        ).retry_after
        == wait
    )


def test_a_description_may_begin_with_a_preset(wire: OnWire) -> None:
    envelope = {
        "preset": "amap",
        "data": "geocodes",
        "errors": {"20801": "downstream_error", "10003": "credential_error"},
    }
    assert read(wire, envelope, {"status": "1", "infocode": "10000", "geocodes": [1]}) == [1]
    for code, kind in (("20801", Failed), ("10003", CredentialError), ("10044", QuotaExceeded)):
        assert type(failure(wire, envelope, {"status": "0", "infocode": code})) is kind


@pytest.mark.parametrize("kind", ["text", "bytes"])
def test_a_failure_told_in_json_instead_of_a_file_is_a_failure(wire: OnWire, kind: str) -> None:
    error = failure(wire, "wechat", {"errcode": 41030, "errmsg": "page not found"}, response=kind)
    assert (type(error), error.vendor_code) == (Rejected, "41030")


def test_a_file_that_tells_no_code_is_data(wire: OnWire) -> None:
    assert read(wire, "wechat", b'{"a":1}', response="text") == '{"a":1}'
    assert read(wire, "wechatpay_v2", "交易时间,金额".encode(), response="text") == "交易时间,金额"


def test_what_an_object_in_the_codes_place_says_is_not_taken_for_a_code(wire: OnWire) -> None:
    error = failure(wire, {"code": "error", "ok": [None]}, {"error": {"said": "private words"}})
    assert (type(error), error.vendor_code) == (Rejected, "object")


PAY: dict[str, Any] = {
    name: {"type": "string"} for name in ("body", "out_trade_no", "total_fee", "bill_date")
}
OURS = {"appid": APP_ID, "mch_id": MCH_ID, "nonce_str": "n1"}


def pay(
    box: Sandbox,
    open_gate: Open,
    http: str,
    fields: dict[str, str],
    response: str = "xml",
    **changed: str,
) -> Any:
    """One signed call of the sandbox's WeChat Pay."""
    envelope = {**OURS, **fields}
    envelope["sign"] = sign(envelope)
    declared = {**PAY, **{name: {"type": "string"} for name in envelope}}
    methods = {"m": {"http": http, "body": "xml", "response": response, "params": declared}}
    return open_gate({"s": service(box.url, envelope="wechatpay_v2", methods=methods)}).ask(
        params={**envelope, **changed}
    )


def order(fee: str = "100", number: str = "20150806125346") -> dict[str, str]:
    return {"body": "腾讯充值 & <QQ>", "out_trade_no": number, "total_fee": fee}


def test_an_order_is_made_and_found_in_xml_both_ways(box: Sandbox, open_gate: Open) -> None:
    payment = pay(box, open_gate, "POST /pay/unifiedorder", order())
    assert payment["prepay_id"].startswith("wx")
    assert payment["sign"] == sign(
        {**payment, "return_code": "SUCCESS", "return_msg": "OK", "result_code": "SUCCESS"}
    )
    status = pay(box, open_gate, "POST /pay/orderquery", {"out_trade_no": "20150806125346"})
    assert (status["body"], status["trade_state"]) == ("腾讯充值 & <QQ>", "NOTPAY")


@pytest.mark.parametrize(
    ("path", "fields", "kind", "code"),
    [
        ("unifiedorder", order("13"), Failed, "SYSTEMERROR"),
        ("unifiedorder", order("14"), QuotaExceeded, "FREQUENCY_LIMITED"),
        ("unifiedorder", {"body": "x"}, Rejected, "LACK_PARAMS"),
        ("unifiedorder", {**order(), "mch_id": "1"}, CredentialError, "APPID_MCHID_NOT_MATCH"),
        ("orderquery", order(number="0"), Rejected, "ORDERNOTEXIST"),
    ],
)
def test_what_wechat_pay_says_no_to_is_told_apart(
    box: Sandbox, open_gate: Open, path: str, fields: Any, kind: type[GatewayError], code: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        pay(box, open_gate, f"POST /pay/{path}", fields)
    assert (type(caught.value), caught.value.vendor_code) == (kind, code)


def test_wechat_pay_saying_that_our_signature_is_wrong_is_understood(
    box: Sandbox, open_gate: Open
) -> None:
    with pytest.raises(SignatureRejected):
        pay(box, open_gate, "POST /pay/unifiedorder", order(), total_fee="1")


def test_a_bill_is_a_text_or_a_failure_in_xml(box: Sandbox, open_gate: Open) -> None:
    assert pay(
        box, open_gate, "POST /pay/downloadbill", {"bill_date": "20261121"}, "text"
    ).startswith("交易时间")
    with pytest.raises(Rejected) as caught:
        pay(box, open_gate, "POST /pay/downloadbill", {}, "text")
    assert caught.value.vendor_code == "LACK_PARAMS"


@pytest.mark.parametrize(
    ("key", "kind"),
    [("denied", CredentialError), ("unsigned", SignatureRejected), ("busy", QuotaExceeded), ("broken", Failed),
     ("gone.png", Rejected)],
)  # fmt: skip
@pytest.mark.parametrize("response", ["bytes", "xml", "text", "json"])
def test_s3_tells_failures_in_xml_whatever_was_asked_for(
    gate: Open, response: str, key: str, kind: type[GatewayError]
) -> None:
    with pytest.raises(GatewayError) as caught:
        gate(f"GET /bucket/{key}", envelope="aws", response=response).ask()
    assert type(caught.value) is kind


def test_s3_objects_come_as_they_are(gate: Open) -> None:
    data = gate("GET /bucket/cat.png", envelope="aws", response="bytes").ask()
    assert (data["content_type"], b64decode(data["base64"])[:4]) == ("image/png", b"\x89PNG")
    assert gate("GET /bucket/code.json", envelope="aws").ask() == {
        "code": "AccessDenied",
        "message": "a stored text",
    }
    listed = gate(
        "GET /bucket", envelope="aws", response={"type": "xml", "lists": ["Contents"]}
    ).ask()
    assert listed == {"Name": "bucket", "Contents": [{"Key": "cat.png", "Size": "12"}]}


def test_s3_failures_inside_a_200_are_seen_where_the_catalog_says_so(wire: OnWire) -> None:
    envelope = {"preset": "aws", "ok": [None]}
    assert read(
        wire, envelope, b"<CopyObjectResult><ETag>1</ETag></CopyObjectResult>", response="xml"
    ) == {"ETag": "1"}
    error = failure(wire, envelope, b"<Error><Code>SlowDown</Code></Error>", response="xml")
    assert type(error) is QuotaExceeded
