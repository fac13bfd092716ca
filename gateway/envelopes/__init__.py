"""Reply formats: how a vendor wraps its answers.

A format that data can describe is an entry in ``PRESETS``, any other a class and a line in ``ENVELOPE_CLASSES``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.bodies import Reader
from gateway.envelopes.alipay import AlipayEnvelope
from gateway.envelopes.described import DescribedEnvelope, PlainEnvelope
from gateway.envelopes.presets import PRESETS
from gateway.messages import HttpResponse

#: Reads one answer: its data, or the ``GatewayError`` that it stands for.
Envelope = Callable[[HttpResponse, Reader], Any]

#: Formats that a description cannot say.
ENVELOPE_CLASSES: Mapping[str, Callable[[], Envelope]] = {
    "plain": PlainEnvelope,
    "alipay": AlipayEnvelope,
}


def make_envelope(declared: str | Mapping[str, Any]) -> Envelope:
    """The envelope a method declares: a named one, or a description, which may begin with a named one."""
    if isinstance(declared, str):
        return (
            ENVELOPE_CLASSES[declared]()
            if declared in ENVELOPE_CLASSES
            else DescribedEnvelope(PRESETS[declared])
        )
    return DescribedEnvelope(_described(declared))


def _described(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    base = PRESETS.get(declared.get("preset", ""), {})
    maps = {key: {**base.get(key, {}), **declared.get(key, {})} for key in ("errors", "messages")}
    return {**base, **declared, **maps}
