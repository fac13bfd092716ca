"""Reply formats: how a vendor wraps its answers.

A format that data can describe is an entry in ``PRESETS``, any other a class and a line in
``ENVELOPE_CLASSES``::

    envelope = make_envelope({"preset": "wechat", "data": "result"})
    data = envelope(response, make_reader("json"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.bodies import Reader
from gateway.envelopes.alipay import AlipayEnvelope
from gateway.envelopes.described import DescribedEnvelope, PlainEnvelope
from gateway.envelopes.presets import PRESETS
from gateway.messages import HttpResponse

#: Returns the data of an answer, or raises the ``GatewayError`` that it stands for.
Envelope = Callable[[HttpResponse, Reader], Any]

#: Formats that a description cannot say.
ENVELOPE_CLASSES: Mapping[str, Callable[[], Envelope]] = {
    "plain": PlainEnvelope,
    "alipay": AlipayEnvelope,
}


def make_envelope(declared: str | Mapping[str, Any]) -> Envelope:
    """Return the envelope a method declares.

    :param declared: a name, or a description, which may begin with a preset.
    """
    if not isinstance(declared, str):
        return DescribedEnvelope(_with_preset(declared))
    if declared in ENVELOPE_CLASSES:
        return ENVELOPE_CLASSES[declared]()
    return DescribedEnvelope(PRESETS[declared])


def _with_preset(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    base = PRESETS.get(declared.get("preset", ""), {})
    maps = {key: {**base.get(key, {}), **declared.get(key, {})} for key in ("errors", "messages")}
    return {**base, **declared, **maps}
