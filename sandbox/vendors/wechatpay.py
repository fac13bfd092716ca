"""WeChat Pay API v3 with native payments: requests verified, answers signed
(WECHATPAY2-SHA256-RSA2048).

Follows https://pay.weixin.qq.com/doc/v3/merchant/4012365342 (signing) and 4013053249 (what answers
are signed over). An `out_trade_no` can ask for trouble: "unsigned", "wrong-signature", "tampered",
"stale", "other-serial", "busy".
"""

import re
import secrets
import threading
import time
from typing import Any

from sandbox.keys import MERCHANT_PUBLIC_KEY, VENDOR_PRIVATE_KEY
from sandbox.messages import JSON_TYPE, Reply, Request, dump_json, json_reply, parse_json
from sandbox.rsa import sign_rsa, verify_rsa

MCH_ID = "1900000001"
SERIAL_NO = "5157F09EFDC096DE15EBE81A47057A7200000001"
PUBLIC_KEY_ID = "PUB_KEY_ID_0119000000012025010100000000000001"
MAX_TRADES = 10_000
SIGNATURE_SECONDS = 300  # how long a signature is good
SCHEME = "WECHATPAY2-SHA256-RSA2048"

_PREFIX = "/v3/pay/transactions/"
_PROOF = re.compile(r'([a-z_]+)="([^"]*)"')


class WeChatPay:
    """`serial` is what answers say they are signed with."""

    def __init__(self) -> None:
        self.serial = PUBLIC_KEY_ID
        self._lock = threading.Lock()
        self._trades: dict[str, dict[str, Any]] = {}

    def reset(self) -> None:
        with self._lock:
            self._trades.clear()

    def handle(self, request: Request) -> Reply:
        if not _authorized(request):
            return _failure(401, "SIGN_ERROR")
        try:
            order = parse_json(request.body or b"{}")
        except ValueError:
            return _failure(400, "PARAM_ERROR")
        parts = request.path.removeprefix(_PREFIX).split("/")
        number = _trade_number(parts, order)
        if number == "busy":
            return _failure(500, "SYSTEM_ERROR")
        status, data = self._answer(request.verb, parts, number, order)
        if isinstance(data, str):
            return _failure(status, data)
        return self._reply(status, data, number)

    def _answer(
        self, verb: str, parts: list[str], number: str, order: dict[str, Any]
    ) -> tuple[int, Any]:
        with self._lock:
            match verb, parts:
                case "POST", ["native"]:
                    if len(self._trades) == MAX_TRADES:
                        self._trades.clear()
                    self._trades[number] = {
                        "trade_state": "NOTPAY",
                        "description": order.get("description"),
                    }
                    return 200, {"code_url": f"weixin://wxpay/bizpayurl?pr={number}"}
                case "GET", ["out-trade-no", _] if number in self._trades:
                    return 200, {"out_trade_no": number, **self._trades[number]}
                case "POST", ["out-trade-no", _, "close"] if number in self._trades:
                    self._trades[number]["trade_state"] = "CLOSED"
                    return 204, None
        return 404, "ORDER_NOT_EXIST"

    def _reply(self, status: int, data: Any, trouble: str) -> Reply:
        body = b""
        if data is not None:
            body = dump_json(data)
        headers: tuple[tuple[str, str], ...] = (("Content-Type", JSON_TYPE),)
        if trouble != "unsigned":
            headers += self._proof(body, trouble)
        if trouble == "tampered":
            body = body.replace(b"NOTPAY", b"SUCCESS")
        return Reply(status, body, headers)

    def _proof(self, body: bytes, trouble: str) -> tuple[tuple[str, str], ...]:
        """Return the headers that sign an answer."""
        signed_at = int(time.time())
        serial = self.serial
        if trouble == "stale":
            signed_at -= SIGNATURE_SECONDS + 1
        if trouble == "other-serial":
            serial = "4D3C2B1A"
        nonce = secrets.token_hex(16)
        message = f"{signed_at}\n{nonce}\n".encode() + body + b"\n"
        if trouble == "wrong-signature":
            message = b"no"
        return (
            ("Wechatpay-Timestamp", str(signed_at)),
            ("Wechatpay-Nonce", nonce),
            ("Wechatpay-Signature", sign_rsa(VENDOR_PRIVATE_KEY, message)),
            ("Wechatpay-Serial", serial),
            ("Wechatpay-Signature-Type", SCHEME),
        )


def _trade_number(parts: list[str], order: dict[str, Any]) -> str:
    if parts == ["native"]:
        return str(order.get("out_trade_no", ""))
    if len(parts) > 1:
        return parts[1]
    return ""


def _authorized(request: Request) -> bool:
    """Tell whether the merchant signed this request, in the last five minutes."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    proof = dict(_PROOF.findall(rest))
    timestamp = proof.get("timestamp", "")
    nonce = proof.get("nonce_str", "")
    if (scheme, proof.get("mchid"), proof.get("serial_no")) != (SCHEME, MCH_ID, SERIAL_NO):
        return False
    if not timestamp.isdecimal() or abs(time.time() - int(timestamp)) > SIGNATURE_SECONDS:
        return False
    message = (
        f"{request.verb}\n{request.target}\n{timestamp}\n{nonce}\n".encode() + request.body + b"\n"
    )
    return verify_rsa(MERCHANT_PUBLIC_KEY, proof.get("signature", ""), message)


def _failure(status: int, code: str) -> Reply:
    return json_reply(status, {"code": code, "message": "沙箱说不"})
