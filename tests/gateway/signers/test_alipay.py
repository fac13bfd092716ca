"""Alipay through the gateway: requests it accepts, answers only Alipay can have given, its codes as our errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import md5
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import yaml

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
from sandbox.keys import (
    MERCHANT_PRIVATE_KEY,
    MERCHANT_PUBLIC_KEY,
    VENDOR_PRIVATE_KEY,
    VENDOR_PUBLIC_KEY,
)
from sandbox.rsa import sign_rsa
from sandbox.vendors.alipay import APP_ID
from tests.gateway.certificates import certificate
from tests.gateway.fakes import FakeClock, Gate, Wire, answer, service

Open = Callable[..., Gate]
VECTORS = yaml.safe_load((Path(__file__).parent / "vectors/alipay.yaml").read_text())
AUTH = {
    "type": "alipay",
    "app_id": APP_ID,
    "private_key": MERCHANT_PRIVATE_KEY,
    "alipay_public_key": VENDOR_PUBLIC_KEY,
}
TRADE = {"out_trade_no": {"type": "string", "required": True}}
METHODS: dict[str, Any] = {
    "precreate": {
        "http": "POST /gateway.do",
        "query": {
            "method": "alipay.trade.precreate",
            "notify_url": "https://shop.example/paid?a=1&b=2",
        },
        "params": {**TRADE, "total_amount": {"type": "string"}, "subject": {"type": "string"}},
    },
    "query": {
        "http": "POST /gateway.do",
        "query": {"method": "alipay.trade.query"},
        "params": TRADE,
    },
    "refund": {
        "http": "POST /gateway.do",
        "query": {"method": "alipay.trade.refund"},
        "params": TRADE,
    },
}
ORDER = {"out_trade_no": "o-1", "total_amount": "88.88", "subject": "一杯 咖啡 & 茶 + 100%"}


@pytest.fixture
def alipay(box: Sandbox, open_gate: Open) -> Callable[..., Gate]:
    def make(auth: dict[str, str] = AUTH, **options: Any) -> Gate:
        return open_gate(
            {"s": service(box.url, auth=auth, envelope="alipay", methods=METHODS)}, **options
        )

    return make


def test_a_trade_is_made_and_found_again(alipay: Callable[..., Gate]) -> None:
    at = alipay()
    assert at.ask("precreate", ORDER) == {
        "out_trade_no": "o-1",
        "qr_code": "https://qr.alipay.com/o-1",
    }
    trade = {"out_trade_no": "o-1", "trade_status": "WAIT_BUYER_PAY", "total_amount": "88.88"}
    assert at.ask("query", {"out_trade_no": "o-1"}) == trade


def test_the_methods_params_are_biz_content_and_alipays_own_are_in_the_query(
    alipay: Callable[..., Gate], box: Sandbox
) -> None:
    alipay(clock=FakeClock()).ask("precreate", ORDER)
    request = box.requests[-1]
    query = {name: values[0] for name, values in request.query.items()}
    assert len(query.pop("sign")) == 344
    assert query == {
        "method": "alipay.trade.precreate",
        "notify_url": "https://shop.example/paid?a=1&b=2",
        "app_id": APP_ID,
        "charset": "utf-8",
        "format": "JSON",
        "sign_type": "RSA2",
        "version": "1.0",
        "timestamp": "2023-11-15 06:30:00",  # Beijing's, of 1 700 001 000
    }
    [(name, value)] = parse_qsl(request.text())
    assert (name, json.loads(value)) == ("biz_content", ORDER)
    assert request.headers["content-type"] == "application/x-www-form-urlencoded;charset=utf-8"


def test_with_body_form_fields_are_alipays_own_and_empty_ones_are_not_sent(
    open_gate: Open, box: Sandbox
) -> None:
    params = {name: {"type": "string"} for name in ("grant_type", "code", "refresh_token")}
    method = {
        "http": "POST /gateway.do",
        "query": {"method": "alipay.system.oauth.token"},
        "body": "form",
    }
    at = open_gate(
        {
            "s": service(
                box.url, auth=AUTH, envelope="alipay", methods={"m": {**method, "params": params}}
            )
        }
    )
    with pytest.raises(GatewayError):  # the sandbox has no such method
        at.ask("m", {"grant_type": "authorization_code", "code": "4b 20&é", "refresh_token": ""})
    assert dict(parse_qsl(box.requests[-1].text())) == {
        "grant_type": "authorization_code",
        "code": "4b 20&é",
    }


@pytest.mark.parametrize("trouble", ["unsigned", "wrong-signature", "tampered"])
def test_an_answer_that_alipay_did_not_sign_as_it_is_is_refused(
    alipay: Callable[..., Gate], trouble: str
) -> None:
    at = alipay()
    if trouble == "tampered":
        at.ask("precreate", {**ORDER, "out_trade_no": trouble})
    with pytest.raises(SignatureRejected) as caught:
        at.ask("query", {"out_trade_no": trouble})
    assert (caught.value.code, caught.value.source, caught.value.not_executed) == (
        -1002,
        "downstream",
        False,
    )


def test_a_wrong_key_of_ours_is_refused_by_alipay(alipay: Callable[..., Gate]) -> None:
    with pytest.raises(SignatureRejected, match="signature"):
        alipay({**AUTH, "private_key": VENDOR_PRIVATE_KEY}).ask("query", {"out_trade_no": "o-1"})


def test_an_unsigned_error_is_refused_and_the_log_says_what_it_said(
    alipay: Callable[..., Gate],
) -> None:
    at = alipay({**AUTH, "app_id": "2014"})
    with pytest.raises(SignatureRejected):
        at.ask("query", {"out_trade_no": "o-1"})
    assert "isv.invalid-app-id" in at.log.events[-1]["why"]


GOOD = '{"code":"10000","msg":"Success","trade_no":"7"}'


def reply(**members: str) -> bytes:
    """These members as they are, and a good signature over the first."""
    texts = [f'"{name}": {text}' for name, text in members.items()]
    first = next(iter(members.values()))
    return answer(
        f'{{{", ".join(texts)}, "sign": "{sign_rsa(VENDOR_PRIVATE_KEY, first.encode())}"}}'.encode()
    )


def call_wire(
    open_gate: Open, reply_bytes: bytes, auth: dict[str, str] = AUTH, **settings: Any
) -> Any:
    with Wire([reply_bytes]) as server:
        settings = {"envelope": "alipay", "methods": METHODS, **settings}
        return open_gate({"s": service(server.url, auth=auth, **settings)}).ask(
            "query", {"out_trade_no": "o-1"}
        )


def test_the_signature_counts_over_the_bytes_as_they_came(open_gate: Open) -> None:
    odd = '{ "msg":"\\u4e2d\\/ 文", "x" : {"}": "{\\"", "n": 1.0e2} ,\n "code":"10000" }'
    data = {"x": {"}": '{"', "n": 100.0}}
    assert call_wire(open_gate, reply(alipay_trade_query_response=odd)) == data


@pytest.mark.parametrize(
    "reply_bytes",
    [
        reply(alipay_trade_refund_response=GOOD),  # of another method
        reply(alipay_trade_query_response=GOOD, error_response=GOOD),
        reply(alipay_trade_query_response=GOOD, alipay_x_response=GOOD),
        answer(
            reply(alipay_trade_query_response=GOOD)[:-1].partition(b"\r\n\r\n")[2]
            + b', "sign": "x"}'
        ),
        answer(b'{"sign": "eA=="}'),
        answer(b'{"alipay_trade_query_response": 1, "sign": "eA=="}'),
        answer(b'{"alipay_trade_query_response": {}, "sign": 1}'),
        answer(b'{"alipay_trade_query_response": {}, "sign": "\xe4\xb8\xad"}'),
    ],
)
def test_only_the_one_answer_to_the_method_that_was_called_will_do(
    open_gate: Open, reply_bytes: bytes
) -> None:
    with pytest.raises(SignatureRejected):
        call_wire(open_gate, reply_bytes)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"a"', b'{"a":1', b'{"a":1,', b"\xff", b"{1:2}", b"["]
)
def test_what_is_no_json_object_is_a_bad_response(open_gate: Open, body: bytes) -> None:
    for settings in ({}, {"envelope": "plain"}):
        with pytest.raises(BadResponse):
            call_wire(open_gate, answer(body), **settings)


def test_an_http_failure_is_what_its_status_says(open_gate: Open) -> None:
    with pytest.raises(Failed):
        call_wire(open_gate, answer(b"<html>", "502 Bad Gateway"))


@pytest.mark.parametrize(
    ("code", "sub_code", "error"),
    [
        ("40004", "ACQ.TRADE_NOT_EXIST", Rejected),
        ("40004", "ACQ.SYSTEM_ERROR", Failed),
        ("20000", "isp.unknow-error", Failed),
        ("20001", "aop.invalid-auth-token", CredentialError),
        ("40002", "isv.invalid-app-id", CredentialError),
        ("40002", "isv.invalid-signature", SignatureRejected),
        ("40001", "isv.missing-signature", SignatureRejected),
        ("40002", "isv.invalid-parameter", Rejected),
        ("40005", "isv.app-call-limited", QuotaExceeded),
        ("40006", "isv.insufficient-isv-permissions", CredentialError),
        ("49999", None, Rejected),
    ],
)
@pytest.mark.parametrize("name", ["alipay_trade_query_response", "error_response"])
def test_alipays_codes_are_our_errors(
    open_gate: Open, code: str, sub_code: str | None, error: type[GatewayError], name: str
) -> None:
    members = {
        "code": code,
        "msg": "Oops",
        **({"sub_code": sub_code, "sub_msg": "不行"} if sub_code else {}),
    }
    with pytest.raises(error) as caught:
        call_wire(open_gate, reply(**{name: json.dumps(members)}))
    assert (type(caught.value), caught.value.vendor_code) == (error, sub_code or code)


def test_a_payment_that_the_customer_is_still_to_confirm_is_an_answer(
    alipay: Callable[..., Gate],
) -> None:
    assert alipay().ask("query", {"out_trade_no": "paying"}) == {
        "code": "10003",
        "out_trade_no": "paying",
    }


def test_an_answer_without_code_is_data_unless_it_is_the_error_response(open_gate: Open) -> None:
    data = '{"access_token":"t","expires_in":3600}'
    assert call_wire(open_gate, reply(alipay_trade_query_response=data)) == json.loads(data)
    with pytest.raises(Rejected):
        call_wire(open_gate, reply(error_response=data))


ROOT = VECTORS["root_cert"]
CERTIFIED = {
    "type": "alipay",
    "app_id": APP_ID,
    "private_key": MERCHANT_PRIVATE_KEY,
    "app_cert": certificate(MERCHANT_PUBLIC_KEY, 7),
    "alipay_cert": certificate(VENDOR_PUBLIC_KEY, 8),
    "alipay_root_cert": ROOT,
}


def test_in_certificate_mode_both_serial_numbers_are_sent_as_alipay_counts_them(
    alipay: Callable[..., Gate], box: Sandbox
) -> None:
    at = alipay(CERTIFIED | {"app_cert": VECTORS["app_cert"]})
    at.ask("precreate", ORDER)
    query = box.requests[-1].query
    assert query["app_cert_sn"] == [VECTORS["app_cert_sn"]]
    assert query["alipay_root_cert_sn"] == [VECTORS["root_cert_sn"]]


def test_in_certificate_mode_an_answer_by_another_certificate_is_refused(open_gate: Open) -> None:
    with pytest.raises(SignatureRejected, match="signature") as caught:
        call_wire(
            open_gate,
            reply(alipay_trade_query_response=GOOD, alipay_cert_sn='"a5b59edf"'),
            CERTIFIED,
        )
    assert "certificate a5b59edf" in str(caught.value.detail)
    sn = md5(
        rb"CN=Test,OU=Authority,O=Ant\, Inc.,C=CN8"
    ).hexdigest()  # as Java writes an issuer, RFC 2253
    certified_reply = reply(alipay_trade_query_response=GOOD, alipay_cert_sn=f'"{sn}"')
    assert call_wire(open_gate, certified_reply, CERTIFIED) == {"trade_no": "7"}


def test_keys_may_be_bare_base64_as_alipays_tools_give_them(alipay: Callable[..., Gate]) -> None:
    bare = {
        name: "".join(AUTH[name].splitlines()[1:-1])
        for name in ("private_key", "alipay_public_key")
    }
    assert alipay({**AUTH, **bare}).ask("precreate", ORDER)["out_trade_no"] == "o-1"


def test_a_dry_run_shows_the_request_with_stars_for_its_signature(
    alipay: Callable[..., Gate], box: Sandbox
) -> None:
    clock = FakeClock()
    at = alipay(clock=clock)
    dry_request = at.dry("precreate", ORDER)
    assert box.requests == []
    at.ask("precreate", ORDER)
    sent = box.requests[-1]
    query = dict(dry_request.query)
    assert query.pop("sign") == "****"
    assert query.items() <= {name: values[0] for name, values in sent.query.items()}.items()
    assert (dry_request.verb, dry_request.path, dry_request.body) == (
        sent.verb,
        sent.path,
        sent.body,
    )
