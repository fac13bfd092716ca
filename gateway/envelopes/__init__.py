"""Reply formats: how a vendor wraps its answers. A format that data can describe is a line in ``DESCRIBED``, any other
a class and a line in ``WRITTEN``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.call import HttpResponse
from gateway.envelopes.alipay import Alipay
from gateway.envelopes.described import Described
from gateway.envelopes.plain import Plain
from gateway.envelopes.wechatpay_v3 import WeChatPayV3

Reader = Callable[[bytes], Any]
#: Reads one answer: its data, or the ``GatewayError`` that it stands for.
Envelope = Callable[[HttpResponse, Reader], Any]

#: Formats that a description cannot say.
WRITTEN: Mapping[str, Callable[[], Envelope]] = {"plain": Plain, "alipay": Alipay, "wechatpay_v3": WeChatPayV3}

#: Formats in the same words that ``envelope:`` in services.yaml takes.
DESCRIBED: Mapping[str, Mapping[str, Any]] = {
    # developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html
    "wechat": {
        "code": "errcode",
        "ok": [0, None],  # an answer that only brings data has no errcode
        "message": "errmsg",
        "errors": {
            "-1": "downstream_error",
            "40001": "credential_expired",
            "40014": "credential_expired",
            "42001": "credential_expired",
            "40013": "credential_error",
            "40125": "credential_error",
            "40164": "credential_error",
            "41001": "credential_error",
            "45009": "downstream_quota",
            "45011": "downstream_quota",
        },
    },
}


def make_envelope(declared: str | Mapping[str, Any]) -> Envelope:
    """The envelope a method declares: ``plain``, a named one, or a description."""
    if isinstance(declared, str) and declared in WRITTEN:
        return WRITTEN[declared]()
    return Described(DESCRIBED[declared] if isinstance(declared, str) else declared)
