"""Reply formats: how a vendor wraps its answers.

A format that data can describe is an entry in ``PRESETS``, any other a function and a line in
``ENVELOPES``::

    envelope = make_envelope({"preset": "wechat", "data": "result"})
    data = envelope(response, make_reader("json"))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.bodies import Reader
from gateway.envelopes.alipay import alipay_envelope
from gateway.envelopes.described import DescribedEnvelope
from gateway.envelopes.plain import plain_envelope
from gateway.envelopes.presets import PRESETS
from gateway.envelopes.soap import SoapEnvelope
from gateway.http_messages import HttpResponse

#: Returns the data of an answer, or raises the ``GatewayError`` that it stands for.
Envelope = Callable[[HttpResponse, Reader], Any]

#: Formats that a description cannot say.
ENVELOPES: Mapping[str, Envelope] = {
    "plain": plain_envelope,
    "alipay": alipay_envelope,
}
#: Presets whose description is read by rules of its own.
PRESET_CLASSES: Mapping[str, type[DescribedEnvelope]] = {"soap": SoapEnvelope}


def make_envelope(declared: str | Mapping[str, Any]) -> Envelope:
    """Return the envelope a method declares.

    :param declared: a name, or a description, which may begin with a preset.
    """
    if isinstance(declared, str) and declared in ENVELOPES:
        return ENVELOPES[declared]
    description = {"preset": declared} if isinstance(declared, str) else declared
    preset = description.get("preset", "")
    return PRESET_CLASSES.get(preset, DescribedEnvelope)(_with_preset(description))


def _with_preset(declared: Mapping[str, Any]) -> Mapping[str, Any]:
    base = PRESETS.get(declared.get("preset", ""), {})
    maps = {}
    for key in ("errors", "messages"):
        own = declared.get(key, {})
        # Its own patterns stand first: of several that match, the first counts.
        maps[key] = {**own, **base.get(key, {}), **own}
    return {**base, **declared, **maps}
