"""A keyed hash over a text that the catalog describes, as it describes what goes where.

A ``preset`` is a vendor's signature, described as a catalog would describe it.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar, NamedTuple

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from gateway.http_messages import HttpRequest
from gateway.masking import STARS, Secret
from gateway.signers.base import (
    Auth,
    AuthSettings,
    Signer,
    check_base64_secret,
    key_of,
    plain,
    with_preset,
)
from gateway.signers.templates import (
    HASHES,
    NAME,
    REQUEST_FACTS,
    Template,
    check_template,
    compile_template,
    filled_text,
    names_needed,
    read_fact,
    with_filled_header,
)
from schemas.catalog.fields import SETTABLE_HEADER, NamedMap, one_of, text

#: Where a signature and what belongs to it may go, in the order in which they are added.
PLACES = ("query", "body", "headers")
_CANONICAL = "{method}\n{path}\n%s\n{canonical_headers}\n{signed_headers}\n{body|sha256}"

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # cloud.tencent.com/document/api/213/30654; needs values.service, and X-TC-Action and
    # X-TC-Version as headers
    "tencent_tc3": {
        "derive": ["TC3{secret}", "{date}", "{service}", "tc3_request"],
        "signed_headers": ["content-type", "host"],
        "values": {"canonical": _CANONICAL % "{query}", "scope": "{date}/{service}/tc3_request"},
        "sign": "TC3-HMAC-SHA256\n{unix}\n{scope}\n{canonical|sha256}",
        "headers": {
            "X-TC-Timestamp": "{unix}",
            "Authorization": "TC3-HMAC-SHA256 Credential={key_id}/{scope}, "
            "SignedHeaders={signed_headers}, Signature={signature}",
        },
    },
    # help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature; needs
    # x-acs-action and x-acs-version
    "alibaba_acs3": {
        "signed_headers": ["content-type", "host", "x-acs-*"],
        "values": {"canonical": _CANONICAL % "{sorted_query}"},
        "sign": "ACS3-HMAC-SHA256\n{canonical|sha256}",
        "headers": {
            "x-acs-date": "{iso8601}",
            "x-acs-signature-nonce": "{nonce}",
            "x-acs-content-sha256": "{body|sha256}",
            "Authorization": "ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={signed_headers},"
            "Signature={signature}",
        },
    },
}


def _check_names(auth: Auth) -> None:
    """:raises ValidationError: a template has a name in it that stands for nothing."""
    names = {*REQUEST_FACTS, *auth.get("values", {})}
    names |= {"secret", "signed_headers", "canonical_headers"}
    names |= {"key_id"} & auth.keys()
    for step in auth.get("derive", []):
        check_template(step, names, "derive")
    check_template(auth["sign"], names, "sign")
    names.add("signature")
    for key in ("values", *PLACES):
        for name, value in auth.get(key, {}).items():
            check_template(value, names, key, name)


def _check_signature(auth: Auth) -> None:
    """:raises ValidationError: the signature needs itself, or goes nowhere."""
    values = auth.get("values", {})
    try:
        for name in values:
            names_needed(values[name], values, (name,))
    except ValueError as error:
        raise ValidationError(f"{{{error}}} needs itself", "values") from error
    signed = (auth["sign"], *auth.get("derive", []))
    if any("signature" in names_needed(part, values) for part in signed):
        raise ValidationError("what is signed cannot have the {signature} in it", "sign")
    outputs = [output for place in PLACES for output in auth.get(place, {}).values()]
    if not any("signature" in names_needed(output, values) for output in outputs):
        raise ValidationError(
            "missing; say where the {signature} goes, in headers, query or body", "headers"
        )


class _Output(NamedTuple):
    """A header, query parameter or field of the body that is added."""

    place: str
    name: str
    fill: Template


class Hmac(Signer):
    """Signs the text that ``sign`` describes; ``headers``, ``query`` and ``body`` say where to."""

    class Settings(AuthSettings):
        preset = text(validate=one_of(*PRESETS))
        secret = text(required=True)
        secret_encoding = text(validate=one_of("text", "base64"), public=True)
        key_id = text(public=True)
        algorithm = text(validate=one_of(*HASHES), public=True)
        derive = fields.List(text(), validate=validate.Length(min=1))
        sign = text(template=True)
        encoding = text(validate=one_of("hex", "base64"), public=True)
        signed_headers = fields.List(
            text(validate=validate.Regexp(r"[a-z0-9*_-]+\Z", error="must be in lower case"))
        )
        values = NamedMap(text(), NAME)
        headers = NamedMap(text(), SETTABLE_HEADER)
        query = NamedMap(text())
        body = NamedMap(text())

        @validates_schema
        def check_templates(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            check_base64_secret(data)
            auth = with_preset(data, PRESETS)
            if "sign" not in auth:
                raise ValidationError(
                    f"missing; say what is signed, or a preset: {', '.join(PRESETS)}", "sign"
                )
            _check_names(auth)
            _check_signature(auth)

        @post_load
        def fill_preset(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
            data = with_preset(data, PRESETS)
            data.pop("preset", None)
            return data

    example: ClassVar[Auth] = {
        "secret": "${SECRET}",
        "sign": "{method}\n{target}\n{unix}\n{nonce}\n{body|sha256}",
        "values": {"target": "{path}?{query}"},
        "query": {"from": "postern"},
        "headers": {
            "X-Time": "{unix}",
            "X-Nonce": "{nonce}",
            "X-Signature": "{signature}",
            "X-B": "${THIRD}",
        },
    }

    def __init__(self, auth: Auth, base_url: str) -> None:
        values = {name: plain(template) for name, template in auth.get("values", {}).items()}
        self._constants = {"secret": key_of(auth), "key_id": plain(auth.get("key_id", "")).encode()}
        self._values = {name: compile_template(template) for name, template in values.items()}
        self._signed_headers = tuple(auth.get("signed_headers", ()))
        steps = auth.get("derive", ["{secret}"])
        self._key_steps = [compile_template(plain(step)) for step in steps]
        self._signed_text = compile_template(plain(auth["sign"]))
        self._algorithm = auth.get("algorithm", "sha256")
        self._base64 = auth.get("encoding") == "base64"
        # What has no signature in it is added first, so that it can be signed.
        self._outputs_to_sign: list[_Output] = []
        self._outputs_of_signature: list[_Output] = []
        for place in PLACES:
            for name, value in auth.get(place, {}).items():
                template = plain(value)
                output = _Output(place, name, compile_template(template))
                if "signature" in names_needed(template, values):
                    self._outputs_of_signature.append(output)
                else:
                    self._outputs_to_sign.append(output)

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        request = _add(self._outputs_to_sign, request, _Facts(self, request))
        facts = _Facts(self, request)
        facts["signature"] = self._signature(facts)
        return _add(self._outputs_of_signature, request, facts)

    def read_fact(self, facts: _Facts, name: str) -> bytes:
        """Return what a name in a template stands for."""
        if name in self._values:
            return self._values[name](facts)
        if name in self._constants:
            return self._constants[name]
        if name == "signed_headers":
            return ";".join(name for name, _ in self._covered_headers(facts.request)).encode()
        if name == "canonical_headers":
            headers = self._covered_headers(facts.request)
            return "".join(f"{name}:{text.strip()}\n" for name, text in headers).encode("latin-1")
        return read_fact(facts.request, name)

    def _signature(self, facts: _Facts) -> bytes:
        if self._constants["secret"] == STARS.encode():
            return self._constants["secret"]
        first, *rest = self._key_steps
        key = first(facts)
        for step in rest:
            key = hmac.digest(key, step(facts), self._algorithm)
        digest = hmac.digest(key, self._signed_text(facts), self._algorithm)
        if self._base64:
            return base64.b64encode(digest)
        return digest.hex().encode()

    def _covered_headers(self, request: HttpRequest) -> list[tuple[str, str]]:
        headers = {"host": request.host}
        headers |= {name.lower(): text for name, text in request.headers.items()}
        return [
            (name, headers[name])
            for name in sorted(headers)
            if any(fnmatchcase(name, pattern) for pattern in self._signed_headers)
        ]


def _add(outputs: list[_Output], request: HttpRequest, facts: _Facts) -> HttpRequest:
    for place, name, fill in outputs:
        value = fill(facts)
        if place == "headers":
            request = with_filled_header(request, name, value)
        elif place == "query":
            request = request.with_query((name, filled_text(f"query.{name}", value)))
        else:
            request = request.with_fields({name: filled_text(f"body.{name}", value)})
    return request


class _Facts(dict[str, bytes]):
    """What is known while one request is signed, each value worked out once."""

    def __init__(self, signer: Hmac, request: HttpRequest) -> None:
        super().__init__()
        self.signer = signer
        self.request = request

    def __call__(self, name: str) -> bytes:
        return self[name]

    def __missing__(self, name: str) -> bytes:
        value = self.signer.read_fact(self, name)
        self[name] = value
        return value
