"""A keyed hash over a text that the catalog describes; where it and its ingredients go, the catalog says, too."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, ClassVar, NamedTuple

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from gateway.errors import CredentialError
from gateway.masking import STARS, Secret
from gateway.messages import HttpRequest
from gateway.signers.base import Auth, AuthSettings, Signer, check_base64_secret, key_of, plain
from gateway.signers.templates import (
    HASHES,
    REQUEST_FACTS,
    Template,
    check_template,
    fact,
    reach,
    template,
)
from schemas.catalog_fields import SETTABLE_HEADER, NamedMap, one_of, text

_CANONICAL = "{method}\n{path}\n%s\n{canonical_headers}\n{signed_headers}\n{body|sha256}"

NAME = r"[a-z_][a-z0-9_]*"

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # cloud.tencent.com/document/api/213/30654; needs values.service, and X-TC-Action and X-TC-Version as headers
    "tencent_tc3": {
        "derive": ["TC3{secret}", "{date}", "{service}", "tc3_request"],
        "signed_headers": ["content-type", "host"],
        "values": {"canonical": _CANONICAL % "{query}", "scope": "{date}/{service}/tc3_request"},
        "sign": "TC3-HMAC-SHA256\n{unix}\n{scope}\n{canonical|sha256}",
        "headers": {
            "X-TC-Timestamp": "{unix}",
            "Authorization": "TC3-HMAC-SHA256 Credential={key_id}/{scope}, SignedHeaders={signed_headers}, "
            "Signature={signature}",
        },
    },
    # help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature; needs x-acs-action and x-acs-version
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


def with_preset(auth: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with those of their preset under them; of mappings, each entry."""
    given = {key: value for key, value in auth.items() if key != "preset"}
    below = PRESETS.get(auth.get("preset", ""), {})
    return {
        **below,
        **given,
        **{
            key: {**each, **given[key]}
            for key, each in below.items()
            if isinstance(each, Mapping) and key in given
        },
    }


def _check_names(auth: Auth) -> None:
    """:raises ValidationError: a template has a name in it that stands for nothing."""
    known = {
        *REQUEST_FACTS,
        *auth.get("values", {}),
        "secret",
        "signed_headers",
        "canonical_headers",
    }
    known |= {"key_id"} & auth.keys()
    for step in auth.get("derive", []):
        check_template(step, known, "derive")
    check_template(auth["sign"], known, "sign")
    known.add("signature")
    for key in ("values", "headers", "query"):
        for name, value in auth.get(key, {}).items():
            check_template(value, known, key, name)


def _check_signature(auth: Auth) -> None:
    """:raises ValidationError: the signature needs itself, or goes nowhere."""
    values = auth.get("values", {})
    try:
        for name in values:
            reach(values, name)
        needed = {
            name
            for source in (auth["sign"], *auth.get("derive", []))
            for name in reach({**values, "": source}, "")
        }
    except ValueError as error:
        raise ValidationError(f"{{{error}}} needs itself", "values") from error
    if "signature" in needed:
        raise ValidationError("what is signed cannot have the {signature} in it", "sign")
    outputs = [*auth.get("headers", {}).values(), *auth.get("query", {}).values()]
    if not any("signature" in reach({**values, "": output}, "") for output in outputs):
        raise ValidationError(
            "missing; say where the {signature} goes, in headers or query", "headers"
        )


class _Output(NamedTuple):
    """A header or query parameter that is added."""

    place: str
    name: str
    fill: Template


class Hmac(Signer):
    """Signs the text that ``sign`` describes; ``headers`` and ``query`` say where the signature goes."""

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

        @validates_schema
        def check_templates(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            check_base64_secret(data)
            auth = with_preset(data)
            if "sign" not in auth:
                raise ValidationError(
                    f"missing; say what is signed, or a preset: {', '.join(PRESETS)}", "sign"
                )
            _check_names(auth)
            _check_signature(auth)

        @post_load
        def fill_preset(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
            return with_preset(data)

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
        values = {name: plain(text) for name, text in auth.get("values", {}).items()}
        self._plain = {"secret": key_of(auth), "key_id": plain(auth.get("key_id", "")).encode()}
        self._values = {name: template(text) for name, text in values.items()}
        self._signed_headers = tuple(auth.get("signed_headers", ()))
        self._derive = [template(plain(text)) for text in auth.get("derive", ["{secret}"])]
        self._sign, self._algorithm = template(plain(auth["sign"])), auth.get("algorithm", "sha256")
        self._base64 = auth.get("encoding") == "base64"
        self._before: list[_Output] = []
        self._after: list[_Output] = []
        for place in ("query", "headers"):
            for name, given in auth.get(place, {}).items():
                text = plain(given)
                late = "signature" in reach({**values, "": text}, "")
                (self._after if late else self._before).append(_Output(place, name, template(text)))

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        request = self._put(self._before, request, _Facts(self, request))
        facts = _Facts(self, request)
        facts["signature"] = self._signature(facts)
        return self._put(self._after, request, facts)

    def _signature(self, facts: _Facts) -> bytes:
        if self._plain["secret"] == STARS.encode():
            return self._plain["secret"]
        key = self._derive[0](facts)
        for step in self._derive[1:]:
            key = hmac.digest(key, step(facts), self._algorithm)
        made = hmac.digest(key, self._sign(facts), self._algorithm)
        return base64.b64encode(made) if self._base64 else made.hex().encode()

    def _put(self, outputs: list[_Output], request: HttpRequest, facts: _Facts) -> HttpRequest:
        for place, name, fill in outputs:
            text = fill(facts).decode("latin-1" if place == "headers" else "utf-8")
            if place == "headers" and not text.isprintable():
                raise CredentialError(
                    detail=f"auth.headers.{name} would be more than one line of text"
                )
            request = (
                request.with_header(name, text)
                if place == "headers"
                else request.with_query((name, text))
            )
        return request

    def fact(self, facts: _Facts, name: str) -> bytes:
        if name in self._values:
            return self._values[name](facts)
        if name in self._plain:
            return self._plain[name]
        if name in ("signed_headers", "canonical_headers"):
            headers = sorted(self._covered(facts.request).items())
            if name == "signed_headers":
                return ";".join(each for each, _ in headers).encode()
            return "".join(f"{each}:{text.strip()}\n" for each, text in headers).encode("latin-1")
        return fact(facts.request, name)

    def _covered(self, request: HttpRequest) -> dict[str, str]:
        headers = {"host": request.host} | {
            name.lower(): text for name, text in request.headers.items()
        }
        return {
            name: text
            for name, text in headers.items()
            if any(fnmatchcase(name, pattern) for pattern in self._signed_headers)
        }


class _Facts(dict[str, bytes]):
    """What is known while one request is signed, each thing worked out once."""

    def __init__(self, signer: Hmac, request: HttpRequest) -> None:
        super().__init__()
        self.signer, self.request = signer, request

    def __call__(self, name: str) -> bytes:
        return self[name]

    def __missing__(self, name: str) -> bytes:
        self[name] = value = self.signer.fact(self, name)
        return value
