"""Vendors of payments."""

from __future__ import annotations

import hmac
import json
import re
import time
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree

from sandbox.keys import MERCHANT_PUBLIC_KEY, VENDOR_PRIVATE_KEY
from sandbox.messages import Reply, Request, json_reply
from sandbox.rsa import sign_rsa, verify_rsa
from tests.catalogs.vendor import TOKEN, Answer, Env, Token, Vendor, basic, bearer, refusal

PUBLIC_KEY_ID = "PUB_KEY_ID_01"


def signed_for_alipay(request: Request, env: Env) -> None:
    """opendocs.alipay.com/common/02kf5q: the sorted parameters, by the app's key."""
    pairs = dict(parse_qsl(request.target.partition("?")[2]) + parse_qsl(request.text()))
    signature = pairs.pop("sign")
    text = "&".join(f"{name}={value}" for name, value in sorted(pairs.items()))
    assert verify_rsa(MERCHANT_PUBLIC_KEY, signature, text.encode()), text
    assert (pairs["app_id"], pairs["sign_type"]) == (env["ALIPAY_APP_ID"], "RSA2")


def by_alipay(content: dict[str, str]) -> Answer:
    """opendocs.alipay.com/common/02mse7: the member of the method's name, signed as it stands."""

    def answer(request: Request) -> Reply:
        member = request.first("method").replace(".", "_") + "_response"
        text = json.dumps(content)
        signature = sign_rsa(VENDOR_PRIVATE_KEY, text.encode())
        return Reply(200, f'{{"{member}":{text},"sign":"{signature}"}}'.encode())

    return answer


def signed_for_wechatpay(request: Request, env: Env) -> None:
    """pay.weixin.qq.com/doc/v3/merchant/4012365342: verb, target, time, nonce and body."""
    scheme, _, rest = request.headers["authorization"].partition(" ")
    pairs = dict(re.findall(r'([a-z_]+)="([^"]*)"', rest))
    lines = (request.verb, request.target, pairs["timestamp"], pairs["nonce_str"])
    text = "".join(f"{line}\n" for line in lines).encode() + request.body + b"\n"
    assert verify_rsa(MERCHANT_PUBLIC_KEY, pairs["signature"], text), text
    actual = (scheme, pairs["mchid"], pairs["serial_no"])
    expected = (env["WECHATPAY_MCH_ID"], env["WECHATPAY_SERIAL_NO"])
    assert actual == ("WECHATPAY2-SHA256-RSA2048", *expected)


def by_wechatpay(status: int, content: Any) -> Answer:
    """pay.weixin.qq.com/doc/v3/merchant/4013053249: time, nonce and body, signed in headers."""

    def answer(request: Request) -> Reply:
        body = b"" if content is None else json.dumps(content).encode()
        now = str(int(time.time()))
        signature = sign_rsa(VENDOR_PRIVATE_KEY, f"{now}\nonce\n".encode() + body + b"\n")
        headers = (
            ("Content-Type", "application/json"),
            ("Wechatpay-Timestamp", now),
            ("Wechatpay-Nonce", "once"),
            ("Wechatpay-Signature", signature),
            ("Wechatpay-Serial", PUBLIC_KEY_ID),
        )
        return Reply(status, body, headers)

    return answer


def signed_for_wechatpay_v2(request: Request, env: Env) -> None:
    """pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=4_3: the sorted elements and the key."""
    pairs = {element.tag: element.text or "" for element in ElementTree.fromstring(request.body)}
    signature = pairs.pop("sign")
    text = "&".join(f"{name}={value}" for name, value in sorted(pairs.items()) if value)
    key = env["WECHATPAY_API_KEY"]
    expected = hmac.digest(key.encode(), f"{text}&key={key}".encode(), "sha256").hex().upper()
    assert signature == expected, text
    assert (pairs["appid"], pairs["mch_id"]) == (env["WECHAT_APP_ID"], env["WECHATPAY_MCH_ID"])


def in_xml(**elements: str) -> Reply:
    content = "".join(f"<{name}>{text}</{name}>" for name, text in elements.items())
    return Reply(200, f"<xml>{content}</xml>".encode(), (("Content-Type", "text/xml"),))


VENDORS = {
    "alipay": Vendor(
        proof=signed_for_alipay,
        answer=by_alipay({"code": "10000", "msg": "Success"}),
        answers={
            "precreate": by_alipay(
                {
                    "code": "10000",
                    "msg": "Success",
                    "out_trade_no": "o",
                    "qr_code": "https://qr.alipay.com/b",
                }
            ),
            "query": by_alipay(
                {
                    "code": "10000",
                    "msg": "Success",
                    "trade_no": "t",
                    "out_trade_no": "o",
                    "trade_status": "TRADE_SUCCESS",
                    "total_amount": "88.88",
                }
            ),
        },
        failures={
            "downstream_rejected": by_alipay(
                {"code": "40004", "msg": "Business Failed", "sub_code": "ACQ.TRADE_NOT_EXIST"}
            )
        },
    ),
    "wechatpay_v3": Vendor(
        env={"WECHATPAY_PUBLIC_KEY_ID": PUBLIC_KEY_ID},
        proof=signed_for_wechatpay,
        answer=by_wechatpay(200, {"prepay_id": "wx1"}),
        answers={
            "close": by_wechatpay(204, None),
            "query_by_out_trade_no": by_wechatpay(
                200,
                {
                    "out_trade_no": "o",
                    "trade_state": "SUCCESS",
                    "trade_state_desc": "支付成功",
                    "transaction_id": "t",
                    "amount": {"total": 100, "payer_total": 100, "currency": "CNY"},
                },
            ),
            "refund": by_wechatpay(
                200,
                {
                    "refund_id": "r",
                    "out_refund_no": "o",
                    "status": "PROCESSING",
                    "amount": {"refund": 1, "total": 1, "currency": "CNY"},
                },
            ),
            "jsapi": by_wechatpay(200, {"prepay_id": "wx1"}),
        },
        failures={
            "downstream_rejected": by_wechatpay(400, {"code": "ORDER_CLOSED", "message": "no"}),
            "downstream_quota": by_wechatpay(429, {"code": "RATELIMIT_EXCEEDED", "message": "no"}),
            "credential_error": by_wechatpay(403, {"code": "NO_AUTH", "message": "no"}),
        },
    ),
    "wechatpay_v2": Vendor(
        proof=signed_for_wechatpay_v2,
        answer=in_xml(return_code="SUCCESS", result_code="SUCCESS"),
        answers={
            "unified_order": in_xml(
                return_code="SUCCESS",
                return_msg="OK",
                result_code="SUCCESS",
                prepay_id="wx1",
                trade_type="JSAPI",
            )
        },
        failures={
            "downstream_rejected": in_xml(
                return_code="SUCCESS", result_code="FAIL", err_code="ORDERPAID"
            ),
            "downstream_quota": in_xml(
                return_code="SUCCESS", result_code="FAIL", err_code="FREQUENCY_LIMITED"
            ),
        },
    ),
    "stripe": Vendor(
        proof=bearer("${STRIPE_SECRET_KEY}"),
        answers={
            "create_payment_intent": {
                "id": "pi_1",
                "object": "payment_intent",
                "amount": 2000,
                "currency": "usd",
                "status": "requires_payment_method",
                "client_secret": "pi_1_secret_2",
                "latest_charge": None,
            },
            "create_refund": {
                "id": "re_1",
                "object": "refund",
                "amount": 1000,
                "currency": "usd",
                "status": "succeeded",
            },
        },
        pages={
            "list_customers": (
                {
                    "object": "list",
                    "url": "/v1/customers",
                    "has_more": True,
                    "data": [
                        {
                            "id": "cus_1",
                            "object": "customer",
                            "created": 1680893993,
                            "email": None,
                            "name": "Jenny Rosen",
                            "phone": None,
                        }
                    ],
                },
                {"starting_after": "cus_1"},
            )
        },
        failures={
            "downstream_quota": refusal(429, {"error": {"code": "rate_limit"}}),
            "downstream_rejected": json_reply(402, {"error": {"code": "card_declined"}}),
            "credential_error": refusal(401, {"error": {"code": "api_key_expired"}}),
        },
    ),
    # developer.paypal.com/api/rest/authentication/
    "paypal": Vendor(
        tokens=[
            Token(
                "POST https://api-m.paypal.com/v1/oauth2/token",
                form={"grant_type": "client_credentials"},
                check=basic("${PAYPAL_CLIENT_ID}", "${PAYPAL_CLIENT_SECRET}"),
                answer={"access_token": TOKEN, "token_type": "Bearer", "expires_in": 31668},
            )
        ],
        proof=bearer(),
        answers={
            "create_order": {
                "id": "5O190127TN364715T",
                "status": "CREATED",
                "links": [
                    {
                        "href": "https://api-m.paypal.com/v2/checkout/orders/5O190127TN364715T",
                        "rel": "self",
                        "method": "GET",
                    }
                ],
            },
            "refund_capture": {"id": "1JU08902781691411", "status": "COMPLETED"},
        },
        failures={
            "downstream_rejected": refusal(
                422,
                {"name": "UNPROCESSABLE_ENTITY", "details": [{"issue": "ORDER_NOT_APPROVED"}]},
            ),
            "downstream_quota": refusal(429, {"name": "RATE_LIMIT_REACHED"}),
            "credential_error": refusal(403, {"name": "NOT_AUTHORIZED"}),
            "credential_expired": refusal(401, {"error": "invalid_token"}),
        },
    ),
}
