"""Alipay: the answer stands under a name made of the method's, with ``code`` 10000; ``sub_code`` says more.

Source: opendocs.alipay.com/common/02km9f (codes that all methods have); a method's own page lists its ``sub_code``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.bodies import Reader
from gateway.envelopes.described import read_body, status_error
from gateway.errors import VENDOR_ERRORS, BadResponse, Rejected
from gateway.messages import HttpResponse

GOOD = ("10000", None)  # methods older than the codes, such as alipay.system.oauth.token, have none
PAYING = "10003"  # the customer is still to confirm the payment: that is no failure
ERROR = "error_response"
ERRORS: Mapping[str, str] = {
    "20000": "downstream_error",
    "20001": "credential_error",
    "40005": "downstream_quota",
    "40006": "credential_error",
    "ACQ.SYSTEM_ERROR": "downstream_error",
    "isv.invalid-app-id": "credential_error",
    "isv.invalid-signature": "invalid_signature",
    "isv.missing-signature": "invalid_signature",
}
MAX_MESSAGE_CHARACTERS = 2000  # characters of Alipay's message, which is for the log only


class AlipayEnvelope:
    """Data is the answer without ``code`` and ``msg``; with ``code`` where that is 10003."""

    def __call__(self, response: HttpResponse, read: Reader) -> Any:
        """:raises GatewayError: what ``sub_code``, or else ``code``, stands for."""
        if not 200 <= response.status < 300:
            raise status_error(response)
        name, answer = _answer(read_body(response, read))
        code, sub_code = answer.get("code"), answer.get("sub_code")
        if name != ERROR and code in (*GOOD, PAYING):
            dropped = ("msg",) if code == PAYING else ("msg", "code")
            return {key: value for key, value in answer.items() if key not in dropped}
        kind = ERRORS.get(str(sub_code)) or ERRORS.get(str(code))
        said = str(answer.get("sub_msg") or answer.get("msg"))[:MAX_MESSAGE_CHARACTERS]
        known = str(sub_code or code)[:80]
        raise (VENDOR_ERRORS[kind] if kind else Rejected)(
            vendor_code=known, detail=f"vendor code {known}: {said}"
        )


def _answer(reply: Any) -> tuple[str, dict[str, Any]]:
    """The one member such as ``alipay_trade_query_response``, with its name."""
    members = reply.items() if isinstance(reply, dict) else ()
    found = [
        (name, value)
        for name, value in members
        if name.endswith("_response") and isinstance(value, dict)
    ]
    if len(found) != 1:
        raise BadResponse(
            detail="no answer such as alipay_trade_query_response in the reply, or several"
        )
    return found[0]
