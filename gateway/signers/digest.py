"""All parameters in the order of their names, hashed with a key.

Sources: Amap web service, "digital signature" (lbs.amap.com/faq/quota-key/key/41181); WeChat Pay
v2, "signature algorithm" (pay.weixin.qq.com/wiki/doc/api/jsapi.php?chapter=4_3).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate, validates_schema

from gateway.http_messages import HttpRequest
from gateway.masking import STARS, Secret
from gateway.signers.base import Auth, AuthSettings, Signer, plain
from gateway.signers.templates import (
    HASHES,
    PARAM,
    REQUEST_FACTS,
    Template,
    all_params,
    check_template,
    compile_template,
    filled_text,
    quote_pairs,
    read_fact,
    with_filled_header,
)
from schemas.catalog.fields import HEADER_NAME, SETTABLE_HEADER, NamedMap, flag, one_of, text

FACTS = frozenset({*REQUEST_FACTS, "params", "secret", PARAM})


class Digest(Signer):
    """Signs a text with all parameters in it; sends the signature as one more, or in a header."""

    class Settings(AuthSettings):
        secret = text(required=True)
        algorithm = text(
            validate=one_of(*HASHES, *(f"hmac-{name}" for name in HASHES)), public=True
        )
        sign = text(required=True, template=True)
        add = NamedMap(text())
        headers = NamedMap(text(), SETTABLE_HEADER)
        in_ = text(data_key="in", validate=one_of("query", "body", "header"), public=True)
        name = text(required=True, public=True)
        separator = text(public=True)
        equals = text(public=True)
        unsigned = fields.List(text(public=True), validate=validate.Length(min=1))
        empty = text(validate=one_of("skip", "keep"), public=True)
        quoted = flag()
        encoding = text(validate=one_of("hex", "base64"), public=True)
        case = text(validate=one_of("lower", "upper"), public=True)

        @validates_schema
        def check_templates(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            check_template(data["sign"], FACTS, "sign")
            for key in ("add", "headers"):
                for name, added in data.get(key, {}).items():
                    check_template(added, FACTS - {"params"}, key, name)
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
    default_place = "body"

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._secret = plain(auth["secret"]).encode()
        algorithm: str = auth.get("algorithm", "md5")
        self._keyed = algorithm.startswith("hmac-")
        self._hash = algorithm.removeprefix("hmac-")
        self._signed_text = compile_template(plain(auth["sign"]))
        self._added: list[tuple[str, Template]] = [
            (name, compile_template(plain(value))) for name, value in auth.get("add", {}).items()
        ]
        self._headers: list[tuple[str, Template]] = [
            (name, compile_template(plain(value)))
            for name, value in auth.get("headers", {}).items()
        ]
        self._place = auth.get("in")
        self._name = auth["name"]
        self._separator: str = auth.get("separator", "&")
        self._equals: str = auth.get("equals", "=")
        self._unsigned = frozenset(auth.get("unsigned", ()))
        self._keeps_empty = auth.get("empty", "skip") == "keep"
        self._quotes = auth.get("quoted", False)
        self._base64 = auth.get("encoding") == "base64"
        self._upper_case = auth.get("case") == "upper"

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        fact = partial(self._fact, request)
        added = {name: filled_text(f"add.{name}", fill(fact)) for name, fill in self._added}
        request = self._with_params(request, added)
        for name, fill in self._headers:
            request = with_filled_header(request, name, fill(partial(self._fact, request)))
        signature = self._signature(request)
        if self._place == "header":
            return request.with_header(self._name, signature)
        return self._with_params(request, {self._name: signature})

    def _with_params(self, request: HttpRequest, params: Mapping[str, str]) -> HttpRequest:
        if not params:
            return request
        if self._place == "query":
            return request.with_query(*params.items())
        return request.with_fields(params)

    def _fact(self, request: HttpRequest, name: str) -> bytes:
        if name == "secret":
            return self._secret
        if name == "params":
            return self._joined_params(request)
        if name.startswith(PARAM):
            return dict(all_params(request)).get(name.removeprefix(PARAM), "").encode()
        return read_fact(request, name)

    def _joined_params(self, request: HttpRequest) -> bytes:
        params = all_params(request)
        pairs = sorted(
            (name, value)
            for name, value in params
            if name not in self._unsigned and (value or self._keeps_empty)
        )
        equals = self._equals
        if self._quotes:  # only now: the order is that of the plain names
            pairs = quote_pairs(pairs)
            equals = "="
        return self._separator.join(f"{name}{equals}{value}" for name, value in pairs).encode()

    def _signature(self, request: HttpRequest) -> str:
        if self._secret == STARS.encode():
            return STARS
        text = self._signed_text(partial(self._fact, request))
        if self._keyed:
            digest = hmac.digest(self._secret, text, self._hash)
        else:
            digest = hashlib.new(self._hash, text).digest()
        if self._base64:
            return base64.b64encode(digest).decode()
        if self._upper_case:
            return digest.hex().upper()
        return digest.hex()
