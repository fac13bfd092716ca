"""Alipay and WeChat Pay as other people's SDKs sign and verify them: 1,000 random requests and replies each.

RSASSA-PKCS1-v1_5 has no random part: the same signature means that the same bytes were signed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from alipay import AliPay, DCAliPay
from wechatpayv3.utils import (
    build_authorization,
    load_private_key,
    load_public_key,
    rsa_sign,
    rsa_verify,
)

from gateway.bodies import dump_json
from gateway.http_messages import HttpRequest, HttpResponse
from gateway.masking import Secret
from gateway.signers import Signer, make_signer
from sandbox.keys import (
    MERCHANT_PRIVATE_KEY,
    MERCHANT_PUBLIC_KEY,
    VENDOR_PRIVATE_KEY,
    VENDOR_PUBLIC_KEY,
)
from sandbox.vendors.wechatpay import PUBLIC_KEY_ID
from tests.gateway.signers.test_alipay import AUTH as ALIPAY
from tests.gateway.signers.test_alipay import VECTORS
from tests.gateway.signers.test_wechatpay_v3 import AUTH as WECHAT_PAY

pytestmark = pytest.mark.slow

TIMES = 1000
NO_TOKEN = Secret("")
LETTERS = "aZ09 中文é€😀+&=%/\\?#'\"{}[]<>:;,.~_-*\t\n"


def texts(seed: int, letters: str = LETTERS) -> Iterator[dict[str, Any]]:
    """Parameters with anything in them, nested and empty ones too."""
    rand = random.Random(seed)

    def text(most: int = 12) -> str:
        return "".join(rand.choices(letters, k=rand.randint(0, most)))

    for number in range(TIMES):
        nested = {
            text(4): text(),
            "empty": "",
            "list": [text(), text(), rand.random(), None],
            "deep": {"a": {text(3): []}},
        }
        yield {"out_trade_no": f"{number}{text()}", "subject": text(40), "none": "", "more": nested}


def payment_signer(auth: dict[str, str]) -> Signer:
    settings = {
        key: Secret(value) if key == "private_key" else value for key, value in auth.items()
    }
    return make_signer(settings, "https://vendor.example")


@pytest.fixture(scope="module")
def merchant() -> Any:
    """What the SDK makes of the merchant's keys; it takes no key of the vendor's that does not match."""
    return AliPay("2021", None, MERCHANT_PRIVATE_KEY, VENDOR_PUBLIC_KEY)


def test_alipays_requests_are_signed_as_an_sdk_signs_them(merchant: Any) -> None:
    signer = payment_signer({**ALIPAY, "app_id": "2021"})
    for params in texts(1):
        more = {"notify_url": params["subject"]} if params["subject"] else {}
        sdk_request = merchant.client_api("alipay.trade.query", params, format="JSON", **more)
        fields = dict(parse_qsl(sdk_request, strict_parsing=True))
        signed_at = datetime.fromisoformat(fields["timestamp"]).replace(
            tzinfo=ZoneInfo("Asia/Shanghai")
        )
        query = (("method", "alipay.trade.query"), *more.items(), ("return_url", ""))
        body = fields["biz_content"].encode()
        request = HttpRequest(
            "POST", "https://x", "/gateway.do", query, {}, body, at=signed_at.timestamp()
        )
        signed = signer.sign(request, NO_TOKEN)
        assert dict(signed.query) | dict(parse_qsl(signed.body.decode())) == fields


def test_alipays_replies_verify_as_an_sdk_verifies_them(merchant: Any) -> None:
    signer, vendor = (
        payment_signer(ALIPAY),
        AliPay("2021", None, VENDOR_PRIVATE_KEY, MERCHANT_PUBLIC_KEY),
    )
    request = HttpRequest("POST", "https://x", "/gateway.do", (("method", "alipay.trade.query"),))
    read = partial(
        merchant._verify_and_return_sync_response, response_type="alipay_trade_query_response"
    )
    for number, params in enumerate(
        texts(2, LETTERS.replace("{", "").replace("}", ""))
    ):  # the SDK counts braces in texts
        answer = json.dumps(
            {"code": "10000", **params}, ensure_ascii=bool(number % 2), indent=number % 3 or None
        )
        raw = f'{{"alipay_trade_query_response": {answer}, "sign":"{vendor._sign(answer)}"}}'
        signer.verify(request, HttpResponse(200, {}, raw.encode()))
        read(raw)


def test_alipays_serial_numbers_of_certificates_are_those_of_an_sdk() -> None:
    assert DCAliPay.get_cert_sn(VECTORS["app_cert"]) == VECTORS["app_cert_sn"]
    assert DCAliPay.get_root_cert_sn(VECTORS["root_cert"].strip()) == VECTORS["root_cert_sn"]


def test_wechat_pays_requests_are_signed_as_an_sdk_signs_them() -> None:
    signer, key = payment_signer(WECHAT_PAY), load_private_key(MERCHANT_PRIVATE_KEY)
    for number, params in enumerate(texts(3)):
        body = dump_json(params) if number % 2 else b""
        query = (("q", params["subject"]), ("q", ""), ("q", params["out_trade_no"]))
        request = HttpRequest(
            "POST", "https://x/v3", "/pay", query, {}, body, at=1e9, nonce=f"{number:032x}"
        )
        target = f"/v3/pay?{request.target.partition('?')[2]}"
        sdk_request = build_authorization(
            target,
            "POST",
            WECHAT_PAY["mch_id"],
            WECHAT_PAY["serial_no"],
            key,
            body.decode(),
            request.nonce,
        )
        [at] = [
            part
            for part in sdk_request.split('"')
            if len(part) == 10 and part.isdecimal() and part != WECHAT_PAY["mch_id"]
        ]
        request = HttpRequest(
            "POST", "https://x/v3", "/pay", query, {}, body, at=float(at), nonce=request.nonce
        )
        assert signer.sign(request, NO_TOKEN).headers["Authorization"] == sdk_request


def test_wechat_pays_replies_verify_as_an_sdk_verifies_them() -> None:
    signer, key, public = (
        payment_signer(WECHAT_PAY),
        load_private_key(VENDOR_PRIVATE_KEY),
        load_public_key(VENDOR_PUBLIC_KEY),
    )
    request = HttpRequest("GET", "https://x", "/", at=1_700_000_000.0)
    for number, params in enumerate(texts(4)):
        body, nonce = json.dumps(params, ensure_ascii=False) if number % 9 else "", f"{number:x}"
        signature = rsa_sign(key, f"1700000000\n{nonce}\n{body}\n")
        fields = {
            "Timestamp": "1700000000",
            "Nonce": nonce,
            "Serial": PUBLIC_KEY_ID,
            "Signature": signature,
        }
        signer.verify(
            request,
            HttpResponse(
                200, {f"Wechatpay-{name}": part for name, part in fields.items()}, body.encode()
            ),
        )
        assert rsa_verify("1700000000", nonce, body, signature, public)
