"""WeChat Pay's older API (api.mch.weixin.qq.com): XML both ways, HTTP 200 always, success told
twice in the body.

Follows https://pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=4_3 (the signature), chapter=9_1
(unifiedorder), chapter=9_2 (orderquery) and chapter=9_6 (downloadbill, which answers a text unless
it failed).
"""

import hashlib
import hmac
import threading
from collections.abc import Mapping
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException, ElementTree

from sandbox.messages import Reply, Request, not_found_reply, wrong_verb_reply

APP_ID = "sandbox-app"
MCH_ID = "1900000109"
KEY = "sandbox-pay-key-of-32-characters"
MAX_ORDERS = 10_000

_REQUIRED_FIELDS = {
    "/pay/unifiedorder": ("body", "out_trade_no", "total_fee"),
    "/pay/orderquery": ("out_trade_no",),
    "/pay/downloadbill": ("bill_date",),
}
_BILL = "交易时间,商户号,金额\r\n`2026-11-21 10:00:00,`1900000109,`1.00\r\n"


class WeChatPayV2:
    """Orders in memory. `total_fee` 13 answers SYSTEMERROR, 14 FREQUENCY_LIMITED."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: dict[str, dict[str, str]] = {}

    def reset(self) -> None:
        with self._lock:
            self._orders.clear()

    def handle(self, request: Request) -> Reply:
        if request.path not in _REQUIRED_FIELDS:
            return not_found_reply(request)
        if request.verb != "POST":
            return wrong_verb_reply("POST")
        try:
            root = ElementTree.fromstring(request.body)
        except (ElementTree.ParseError, DefusedXmlException):
            return _xml({"return_code": "FAIL", "return_msg": "XML格式错误"})
        order = {element.tag: element.text or "" for element in root}
        if order.get("sign") != sign(order):
            return _xml({"return_code": "FAIL", "return_msg": "签名错误"})
        if (order.get("appid"), order.get("mch_id")) != (APP_ID, MCH_ID):
            return _failed("APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
        if not all(order.get(name) for name in _REQUIRED_FIELDS[request.path]):
            return _failed("LACK_PARAMS", "缺少必要的请求参数")
        with self._lock:
            return self._answer(request.path, order)

    def _answer(self, path: str, order: dict[str, str]) -> Reply:
        number = order.get("out_trade_no", "")
        if path == "/pay/downloadbill":
            return Reply(200, _BILL.encode(), (("Content-Type", "text/plain"),))
        if path == "/pay/orderquery":
            if stored := self._orders.get(number):
                return _signed({**stored, "trade_state": "NOTPAY"})
            return _failed("ORDERNOTEXIST", "订单不存在")
        if order["total_fee"] == "13":
            return _failed("SYSTEMERROR", "系统错误")
        if order["total_fee"] == "14" or len(self._orders) == MAX_ORDERS:
            return _failed("FREQUENCY_LIMITED", "频率限制")
        if self._orders.get(number, order)["total_fee"] != order["total_fee"]:
            return _failed("OUT_TRADE_NO_USED", "商户订单号重复")
        self._orders[number] = {name: order[name] for name in ("out_trade_no", "total_fee", "body")}
        return _signed({"prepay_id": f"wx{len(self._orders):030d}", "trade_type": "JSAPI"})


def sign(fields: Mapping[str, str]) -> str:
    """Return the MD5, or HMAC-SHA256 by `sign_type`, over the sorted fields that are not empty."""
    pairs = [
        f"{name}={value}" for name, value in sorted(fields.items()) if value and name != "sign"
    ]
    text = "&".join([*pairs, f"key={KEY}"]).encode()
    if fields.get("sign_type") == "HMAC-SHA256":
        return hmac.new(KEY.encode(), text, "sha256").hexdigest().upper()
    return hashlib.md5(text).hexdigest().upper()  # noqa: S324 - how WeChat Pay v2 signs


def _signed(fields: dict[str, str]) -> Reply:
    fields = {
        "return_code": "SUCCESS",
        "return_msg": "OK",
        "appid": APP_ID,
        "mch_id": MCH_ID,
        **fields,
    }
    fields = {**fields, "nonce_str": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS", "result_code": "SUCCESS"}
    return _xml({**fields, "sign": sign(fields)})


def _failed(code: str, message: str) -> Reply:
    return _xml(
        {
            "return_code": "SUCCESS",
            "return_msg": "OK",
            "result_code": "FAIL",
            "err_code": code,
            "err_code_des": message,
        }
    )


def _xml(fields: dict[str, str]) -> Reply:
    """Return XML as WeChat sends it: CDATA, and called a text."""
    elements = "\n".join(_element(name, value) for name, value in fields.items())
    return Reply(200, f"<xml>{elements}</xml>".encode(), (("Content-Type", "text/plain"),))


def _element(name: str, value: str) -> str:
    if "]]>" in value:
        return f"<{name}>{escape(value)}</{name}>"
    return f"<{name}><![CDATA[{value}]]></{name}>"
