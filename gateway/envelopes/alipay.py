"""Alipay: the answer stands under a name made of the method's, with ``code`` and ``sub_code``.

Source: opendocs.alipay.com/common/02km9f (codes that all methods have); a method's own page lists
its ``sub_code``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.bodies import Reader
from gateway.envelopes.described import MAX_CODE_CHARACTERS
from gateway.envelopes.places import MAX_MESSAGE_CHARACTERS
from gateway.envelopes.plain import read_body, status_error
from gateway.errors import VENDOR_ERRORS, BadResponse, GatewayError, Rejected
from gateway.http_messages import HttpResponse

#: Methods older than the codes, such as alipay.system.oauth.token, have none.
OK_CODES = ("10000", None)
PENDING_CODE = "10003"  # the customer is still to confirm the payment: that is no failure
ERROR_NAME = "error_response"
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


def alipay_envelope(response: HttpResponse, read: Reader) -> Any:
    """Return the answer without ``code`` and ``msg``; with ``code`` where that is 10003.

    :raises GatewayError: what ``sub_code``, or else ``code``, stands for.
    """
    if not 200 <= response.status < 300:
        raise status_error(response)
    name, answer = _answer(read_body(response, read))
    code = answer.get("code")
    if name == ERROR_NAME or code not in (*OK_CODES, PENDING_CODE):
        raise _error(answer)
    dropped = {"msg"} if code == PENDING_CODE else {"msg", "code"}
    return {key: value for key, value in answer.items() if key not in dropped}


def _error(answer: Mapping[str, Any]) -> GatewayError:
    code = str(answer.get("sub_code") or answer.get("code"))
    kind = ERRORS.get(str(answer.get("sub_code"))) or ERRORS.get(str(answer.get("code")))
    error_class = VENDOR_ERRORS[kind] if kind else Rejected
    message = str(answer.get("sub_msg") or answer.get("msg"))[:MAX_MESSAGE_CHARACTERS]
    vendor_code = code[:MAX_CODE_CHARACTERS]
    detail = f"vendor code {vendor_code}: {message}"
    error = error_class(vendor_code=vendor_code, detail=detail)
    error.vendor_message = message
    return error


def _answer(reply: Any) -> tuple[str, dict[str, Any]]:
    """Return the one member such as ``alipay_trade_query_response``, with its name."""
    members = reply.items() if isinstance(reply, dict) else ()
    answers = [
        (name, value)
        for name, value in members
        if name.endswith("_response") and isinstance(value, dict)
    ]
    if len(answers) != 1:
        raise BadResponse(
            detail="no answer such as alipay_trade_query_response in the reply, or several"
        )
    return answers[0]
