"""WeChat Pay v3 through the gateway: requests it accepts, answers only it can have given, its codes as our errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from gateway.http_messages import HttpRequest, HttpResponse
from gateway.masking import Secret
from gateway.signers.wechatpay_v3 import WeChatPayV3
from sandbox import Sandbox
from sandbox.keys import (
    MERCHANT_PRIVATE_KEY,
    MERCHANT_PUBLIC_KEY,
    VENDOR_PRIVATE_KEY,
    VENDOR_PUBLIC_KEY,
)
from sandbox.rsa import sign_rsa, verify_rsa
from sandbox.vendors.wechatpay import MCH_ID, PUBLIC_KEY_ID, SERIAL_NO
from tests.gateway.certificates import certificate
from tests.gateway.fakes import Gate, Wire, answer, service

Open = Callable[..., Gate]
VECTORS = yaml.safe_load((Path(__file__).parent / "vectors/wechatpay_v3.yaml").read_text())
MERCHANT = {
    "type": "wechatpay_v3",
    "mch_id": MCH_ID,
    "serial_no": SERIAL_NO,
    "private_key": MERCHANT_PRIVATE_KEY,
}
AUTH = {**MERCHANT, "public_key": VENDOR_PUBLIC_KEY, "public_key_id": PUBLIC_KEY_ID}
NUMBER = {"out_trade_no": {"type": "string", "required": True}}
METHODS: dict[str, Any] = {
    "native": {
        "http": "POST /v3/pay/transactions/native",
        "params": {**NUMBER, "description": {"type": "string"}},
    },
    "query": {
        "http": "GET /v3/pay/transactions/out-trade-no/{out_trade_no}",
        "query": {"mchid": MCH_ID},
        "params": {**NUMBER, "note": {"type": "array", "items": {"type": "string"}}},
    },
    "close": {
        "http": "POST /v3/pay/transactions/out-trade-no/{out_trade_no}/close",
        "params": NUMBER,
    },
}


@pytest.fixture
def pay(box: Sandbox, open_gate: Open) -> Callable[..., Gate]:
    def make(auth: dict[str, str] = AUTH, path: str = "") -> Gate:
        methods = {
            name: {**method, "http": method["http"].replace(" " + path, " ")}
            for name, method in METHODS.items()
        }
        return open_gate(
            {"s": service(box.url + path, auth=auth, envelope="wechatpay_v3", methods=methods)}
        )

    return make


@pytest.mark.parametrize("path", ["", "/v3"])
def test_a_payment_is_made_found_and_closed(pay: Callable[..., Gate], path: str) -> None:
    at = pay(path=path)
    order = at.ask("native", {"out_trade_no": "o 1/中", "description": "一杯 咖啡"})
    assert order == {"code_url": "weixin://wxpay/bizpayurl?pr=o 1/中"}
    at.ask("native", {"out_trade_no": "o-1", "description": "一杯 咖啡"})
    payment = {"out_trade_no": "o-1", "trade_state": "NOTPAY", "description": "一杯 咖啡"}
    assert at.ask("query", {"out_trade_no": "o-1", "note": ["a b", "a b", "", "中&="]}) == payment
    assert at.ask("close", {"out_trade_no": "o-1"}) is None  # 204, signed over an empty body
    assert at.ask("query", {"out_trade_no": "o-1"})["trade_state"] == "CLOSED"


def test_a_request_says_which_public_key_the_answer_is_expected_under(
    pay: Callable[..., Gate], box: Sandbox
) -> None:
    pay().ask("native", {"out_trade_no": "o-1"})
    assert box.requests[-1].headers["wechatpay-serial"] == PUBLIC_KEY_ID


@pytest.mark.parametrize("serial", ["5157F09E", "05157f09e"])
def test_answers_may_be_verified_with_platform_certificates_by_their_serial_number(
    pay: Callable[..., Gate], box: Sandbox, serial: str
) -> None:
    certs = certificate(MERCHANT_PUBLIC_KEY, 0x4D3C2B1A) + certificate(
        VENDOR_PUBLIC_KEY, 0x5157F09E
    )
    at = pay({**MERCHANT, "platform_certs": certs})
    box.wechatpay.serial = serial
    assert "code_url" in at.ask("native", {"out_trade_no": "o-1"})
    assert "wechatpay-serial" not in box.requests[-1].headers
    with pytest.raises(SignatureRejected):
        at.ask(
            "native", {"out_trade_no": "other-serial"}
        )  # says it was the other certificate's key


def test_certificates_and_public_key_serve_side_by_side_while_one_takes_the_others_place(
    pay: Callable[..., Gate], box: Sandbox
) -> None:
    at = pay({**AUTH, "platform_certs": certificate(VENDOR_PUBLIC_KEY, 0x5157F09E)})
    for box.wechatpay.serial in ("5157F09E", PUBLIC_KEY_ID):
        assert "code_url" in at.ask("native", {"out_trade_no": "o-1"})


@pytest.mark.parametrize(
    "trouble", ["unsigned", "wrong-signature", "tampered", "stale", "other-serial"]
)
def test_an_answer_that_wechat_pay_did_not_sign_as_it_is_and_now_is_refused(
    pay: Callable[..., Gate], trouble: str
) -> None:
    at = pay()
    for method in ("native", "query"):  # "tampered" changes what a query says
        try:
            at.ask(method, {"out_trade_no": trouble})
        except SignatureRejected as error:
            assert (error.code, error.source, error.not_executed) == (-1002, "downstream", False)
            return
    pytest.fail("taken")


def test_a_wrong_key_of_ours_is_refused_by_wechat_pay(pay: Callable[..., Gate]) -> None:
    with pytest.raises(SignatureRejected) as caught:
        pay({**AUTH, "private_key": VENDOR_PRIVATE_KEY}).ask("native", {"out_trade_no": "o-1"})
    assert caught.value.vendor_code == "SIGN_ERROR"


def test_a_failure_is_taken_unsigned(pay: Callable[..., Gate]) -> None:
    at = pay()
    with pytest.raises(Rejected) as caught:
        at.ask("query", {"out_trade_no": "none"})
    assert caught.value.vendor_code == "ORDER_NOT_EXIST"
    with pytest.raises(Failed):
        at.ask("query", {"out_trade_no": "busy"})


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        ("400 Bad", "PARAM_ERROR", Rejected),
        ("400 Bad", "APPID_MCHID_NOT_MATCH", Rejected),
        ("401 No", "SIGN_ERROR", SignatureRejected),
        ("401 No", "SOMETHING", CredentialError),
        ("403 No", "NO_AUTH", CredentialError),
        ("404 No", "MCH_NOT_EXISTS", CredentialError),
        ("429 Slow", "FREQUENCY_LIMITED", QuotaExceeded),
        ("429 Slow", "RATELIMIT_EXCEEDED", QuotaExceeded),
        ("403 No", "RATE_LIMITED", QuotaExceeded),
        ("429 Slow", "", QuotaExceeded),
        ("500 Oops", "SYSTEM_ERROR", Failed),
        ("302 Go", "", BadResponse),
    ],
)
def test_wechat_pays_codes_are_our_errors(
    open_gate: Open, status: str, code: str, error: type[GatewayError]
) -> None:
    body = json.dumps({"code": code, "message": "不行"} if code else {}).encode()
    with Wire([answer(body, status)]) as server:
        settings = {"auth": AUTH, "envelope": "wechatpay_v3", "methods": METHODS}
        with pytest.raises(error):
            open_gate({"s": service(server.url, **settings)}).ask("query", {"out_trade_no": "o-1"})


def make_wechatpay(**auth: str) -> WeChatPayV3:
    settings = AUTH | {"private_key": Secret(MERCHANT_PRIVATE_KEY)} | auth
    return WeChatPayV3(settings, "https://x")


def test_what_is_signed_and_the_header_are_as_wechat_pays_documentation_shows_them() -> None:
    vector = VECTORS["request"]
    request = HttpRequest(
        vector["verb"],
        vector["base_url"],
        vector["path"],
        at=vector["timestamp"] + 0.9,
        nonce=vector["nonce"],
    )
    signed = make_wechatpay(mch_id=vector["mch_id"], serial_no=vector["serial_no"]).sign(
        request, Secret("")
    )
    [signature] = re.findall('signature="([^"]+)"', signed.headers["Authorization"])
    assert verify_rsa(MERCHANT_PUBLIC_KEY, signature, vector["message"].encode())
    assert (
        signed.headers["Authorization"].replace(signature, "SIGNATURE") == vector["authorization"]
    )


def check_reply(after: float, *, body: str = "", timestamp: str = "") -> None:
    """Verifies the documented reply to a request that was made ``after`` seconds before it."""
    vector = VECTORS["reply"]
    headers = {
        "Timestamp": timestamp or vector["timestamp"],
        "Nonce": vector["nonce"],
        "Serial": PUBLIC_KEY_ID,
    }
    headers["Signature"] = sign_rsa(
        VENDOR_PRIVATE_KEY,
        vector["message"].replace(vector["timestamp"], headers["Timestamp"]).encode(),
    )
    response = HttpResponse(
        200,
        {f"Wechatpay-{name}": value for name, value in headers.items()},
        vector["body"].encode(),
    )
    request = HttpRequest("GET", "https://x", "/", at=float(vector["timestamp"]) - after)
    make_wechatpay().verify(request, response)


@pytest.mark.parametrize("after", [0, -299, 299])
def test_a_reply_is_verified_over_what_wechat_pays_documentation_shows(after: float) -> None:
    check_reply(after)


@pytest.mark.parametrize("after", [-301, 301])
def test_a_reply_of_more_than_300_seconds_before_or_after_the_request_is_refused(
    after: float,
) -> None:
    with pytest.raises(SignatureRejected):
        check_reply(after)


def test_a_reply_whose_time_is_no_number_is_refused() -> None:
    for timestamp in ("x", "nan"):
        with pytest.raises(SignatureRejected):
            check_reply(0, timestamp=timestamp)


def test_a_dry_run_shows_the_request_with_stars_for_its_signature(
    pay: Callable[..., Gate], box: Sandbox
) -> None:
    dry_request = pay().dry("native", {"out_trade_no": "o-1"})
    assert 'signature="****"' in dry_request.headers["Authorization"]
    assert box.requests == []
