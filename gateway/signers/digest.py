"""All parameters in the order of their names, hashed with a key: as Amap's ``sig``, WeChat Pay v2 and many others do.

Sources: Amap web service, "digital signature" (lbs.amap.com/faq/quota-key/key/41181); WeChat Pay v2, "signature
algorithm" (pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=4_3).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from gateway.masking import STARS, Secret
from gateway.messages import HttpRequest
from gateway.signers.static import plain
from gateway.signers.templates import fact, quoted, template, values_of


class Digest:
    """``secret``, ``algorithm``, ``sign``, ``add``, ``in``, ``name`` and how parameters are joined: docs/catalog.md."""

    secrets: tuple[Secret, ...] = ()

    def __init__(self, auth: Mapping[str, Any], base_url: str) -> None:
        self._secret = plain(auth["secret"]).encode()
        algorithm: str = auth.get("algorithm", "md5")
        self._keyed, self._hash = algorithm.startswith("hmac-"), algorithm.removeprefix("hmac-")
        self._sign = template(plain(auth["sign"]))
        self._add = [(name, template(plain(text))) for name, text in auth.get("add", {}).items()]
        self._place, self._name = auth.get("in"), auth["name"]
        self._between: str = auth.get("separator", "&")
        self._equals: str = auth.get("equals", "=")
        self._empty, self._quoted = auth.get("empty", "skip") == "keep", auth.get("quoted", False)
        self._base64, self._upper = auth.get("encoding") == "base64", auth.get("case") == "upper"

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        added = {
            name: fill(lambda fact_name: self._fact(request, fact_name)).decode()
            for name, fill in self._add
        }
        request = self._put(request, added)
        signature = self._signature(request)
        if self._place == "header":
            return request.with_header(self._name, signature)
        return self._put(request, {self._name: signature})

    def _put(self, request: HttpRequest, more: Mapping[str, str]) -> HttpRequest:
        if not more:
            return request
        return (
            request.with_query(*more.items())
            if self._place == "query"
            else request.with_fields(more)
        )

    def _fact(self, request: HttpRequest, name: str) -> bytes:
        if name == "secret":
            return self._secret
        return self._params(request) if name == "params" else fact(request, name)

    def _params(self, request: HttpRequest) -> bytes:
        pairs = tuple(sorted(pair for pair in values_of(request) if pair[1] or self._empty))
        shown = (
            quoted(pairs)
            if self._quoted
            else [f"{name}{self._equals}{value}" for name, value in pairs]
        )
        return self._between.join(shown).encode()

    def _signature(self, request: HttpRequest) -> str:
        if self._secret == STARS.encode():
            return STARS
        text = self._sign(lambda name: self._fact(request, name))
        made = (
            hmac.digest(self._secret, text, self._hash)
            if self._keyed
            else hashlib.new(self._hash, text).digest()
        )
        shown = base64.b64encode(made).decode() if self._base64 else made.hex()
        return shown.upper() if self._upper else shown
