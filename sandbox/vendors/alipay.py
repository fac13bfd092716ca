"""Alipay's gateway.do with precreate, query and refund of trades: requests verified, answers signed
(RSA2).

Follows https://opendocs.alipay.com/common/02kf5q (signing), 02mse7 (what answers are signed over),
02km9f (codes). An `out_trade_no` can ask for trouble: "unsigned", "wrong-signature", "tampered",
"busy", "paying".
"""

import json
import threading
from typing import Any
from urllib.parse import parse_qsl

from sandbox.keys import MERCHANT_PUBLIC_KEY, VENDOR_PRIVATE_KEY
from sandbox.messages import Reply, Request, parse_json
from sandbox.rsa import sign_rsa, verify_rsa

APP_ID = "2021000000000000"
MAX_TRADES = 10_000

_ERRORS = {
    "isv.invalid-app-id": ("40002", "Invalid Arguments"),
    "isv.invalid-signature": ("40002", "Invalid Arguments"),
    "isv.missing-method": ("40001", "Missing Required Arguments"),
    "isv.invalid-method": ("40002", "Invalid Arguments"),
    "isv.invalid-parameter": ("40002", "Invalid Arguments"),
    "isp.unknow-error": ("20000", "Service Currently Unavailable"),
    "ACQ.TRADE_NOT_EXIST": ("40004", "Business Failed"),
}


class Alipay:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trades: dict[str, dict[str, Any]] = {}

    def reset(self) -> None:
        with self._lock:
            self._trades.clear()

    def handle(self, request: Request) -> Reply:
        params = {name: values[0] for name, values in request.query.items()}
        params.update(parse_qsl(request.text()))
        method = params.get("method", "")
        if params.get("app_id") != APP_ID:
            return _reply("error_response", _error("isv.invalid-app-id"), sign=False)
        if not _signed(params):
            return _reply("error_response", _error("isv.invalid-signature"))
        try:
            order = parse_json(params.get("biz_content", "{}").encode())
            number = order["out_trade_no"]
        except (ValueError, KeyError, TypeError):
            return _reply(_name(method), _error("isv.invalid-parameter"))
        answer = self._answer(method, str(number), order)
        return _reply(_name(method), answer, trouble=str(number))

    def _answer(self, method: str, number: str, order: dict[str, Any]) -> dict[str, Any]:
        if number == "busy":
            return _error("isp.unknow-error")
        if number == "paying":
            return {"code": "10003", "msg": "order success pay inprocess", "out_trade_no": number}
        with self._lock:
            if method == "alipay.trade.precreate":
                if len(self._trades) == MAX_TRADES:
                    self._trades.clear()
                self._trades[number] = {
                    "trade_status": "WAIT_BUYER_PAY",
                    "total_amount": order.get("total_amount"),
                }
                return _ok(out_trade_no=number, qr_code=f"https://qr.alipay.com/{number}")
            trade = self._trades.get(number)
            if method == "alipay.trade.query":
                if trade is None:
                    return _error("ACQ.TRADE_NOT_EXIST")
                return _ok(out_trade_no=number, **trade)
        if method:
            return _error("isv.invalid-method")
        return _error("isv.missing-method")


def _name(method: str) -> str:
    if not method:
        return "error_response"
    return method.replace(".", "_") + "_response"


def _ok(**data: Any) -> dict[str, Any]:
    return {"code": "10000", "msg": "Success", **data}


def _error(sub_code: str) -> dict[str, Any]:
    code, msg = _ERRORS[sub_code]
    return {"code": code, "msg": msg, "sub_code": sub_code, "sub_msg": "沙箱说不"}


def _signed(params: dict[str, str]) -> bool:
    """Tell whether the merchant signed these parameters."""
    content = "&".join(
        f"{name}={value}" for name, value in sorted(params.items()) if value and name != "sign"
    )
    return verify_rsa(MERCHANT_PUBLIC_KEY, params.get("sign", ""), content.encode())


def _reply(name: str, answer: dict[str, Any], trouble: str = "", sign: bool = True) -> Reply:
    """Sign the answer's bytes as they stand in the body, white space and escapes included."""
    text = json.dumps(answer, ensure_ascii=False).replace("/", "\\/")
    body = f'{{"{name}":{text}'
    if sign and trouble != "unsigned":
        message = "no" if trouble == "wrong-signature" else text
        signature = sign_rsa(VENDOR_PRIVATE_KEY, message.encode())
        body += f',"sign":"{signature}"'
    if trouble == "tampered":
        body = body.replace("WAIT_BUYER_PAY", "TRADE_SUCCESS")
    return Reply(200, f"{body}}}".encode(), (("Content-Type", "text/html;charset=utf-8"),))
