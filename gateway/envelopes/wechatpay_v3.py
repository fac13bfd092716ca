"""WeChat Pay API v3: the HTTP status decides; a failure says ``{"code", "message"}``, a success its data, or nothing.

Source: pay.weixin.qq.com/doc/v3/merchant/4012081670 (status and error codes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.bodies import load_json
from gateway.call import HttpResponse
from gateway.envelopes.described import Described
from gateway.envelopes.plain import read_body

_FAILURE = Described(
    {
        "code": "code",
        "ok": [],
        "message": "message",
        "errors": {
            "SIGN_ERROR": "invalid_signature",
            "NO_AUTH": "credential_error",
            "MCH_NOT_EXISTS": "credential_error",
            "FREQUENCY_LIMITED": "downstream_quota",
            "RATELIMIT_EXCEEDED": "downstream_quota",
            "RATE_LIMITED": "downstream_quota",
        },
    }
)


class WeChatPayV3:
    def __call__(self, response: HttpResponse, read: Callable[[bytes], Any]) -> Any:
        """:raises GatewayError: what the failure's code, or else the status, stands for."""
        if 200 <= response.status < 300:
            return read_body(response, read)
        return _FAILURE(response, load_json)
