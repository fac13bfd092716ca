"""All parameters in the order of their names, hashed with a key: as Amap's ``sig``, WeChat Pay v2 and many others do.

Sources: Amap web service, "digital signature" (lbs.amap.com/faq/quota-key/key/41181); WeChat Pay v2, "signature
algorithm" (pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=4_3).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, validates_schema

from gateway.masking import STARS, Secret
from gateway.messages import HttpRequest
from gateway.signers.base import Auth, AuthSettings, Signer, plain
from gateway.signers.templates import (
    HASHES,
    REQUEST_FACTS,
    check_template,
    fact,
    quoted,
    template,
    values_of,
)
from schemas.catalog_fields import HEADER_NAME, NamedMap, flag, one_of, text

FACTS = frozenset({*REQUEST_FACTS, "params", "secret"})


class Digest(Signer):
    """Signs a text that has all parameters in it, and sends the signature as one more of them or in a header."""

    class Settings(AuthSettings):
        secret = text(required=True)
        algorithm = text(
            validate=one_of(*HASHES, *(f"hmac-{name}" for name in HASHES)), public=True
        )
        sign = text(required=True, template=True)
        add = NamedMap(text())
        in_ = text(data_key="in", validate=one_of("query", "body", "header"), public=True)
        name = text(required=True, public=True)
        separator = text(public=True)
        equals = text(public=True)
        empty = text(validate=one_of("skip", "keep"), public=True)
        quoted = flag()
        encoding = text(validate=one_of("hex", "base64"), public=True)
        case = text(validate=one_of("lower", "upper"), public=True)

        @validates_schema
        def check_templates(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            check_template(data["sign"], FACTS, "sign")
            for name, added in data.get("add", {}).items():
                check_template(added, FACTS - {"params"}, "add", name)
            if data.get("in_") == "header" and not HEADER_NAME.regex.match(data["name"]):
                raise ValidationError(str(HEADER_NAME.error), "name")
            if data.get("encoding") == "base64" and "case" in data:
                raise ValidationError("base64 has a case of its own; drop case", "case")

    example: ClassVar[Auth] = {
        "secret": "${SECRET}",
        "algorithm": "sha256",
        "sign": "{params}&key={secret}",
        "case": "upper",
        "name": "sign",
        "add": {"nonce": "{nonce}", "time": "{china_time}", "mch": "${OTHER}"},
    }
    signs_params = True

    def __init__(self, auth: Auth, base_url: str) -> None:
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
