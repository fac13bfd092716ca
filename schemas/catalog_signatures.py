"""``auth:`` of services whose every request is signed."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from schemas.hmac_presets import PRESETS, filled
from schemas.shapes import HEADER_NAME, SETTABLE_HEADER, NamedMap, Strict, flag, one_of, text, whole
from schemas.signing_keys import signing
from schemas.templates import REQUEST_FACTS, problems, reach

HASHES = ("md5", "sha1", "sha256", "sha512")
TOKEN = validate.Regexp(r"[!-~]+\Z", error="must be one word of ASCII text")
NAME = r"[a-z_][a-z0-9_]*"
COMPONENT = validate.Regexp(
    r"(@(method|authority|scheme|target-uri|request-target|path|query)|@query-param;name=\x22[!#-\[\]-~]+\x22"
    r"|[a-z0-9!#$%&'*+.^_`|~-]+)\Z",
    error="must be a header's name in lower case, @method, @authority, @scheme, @target-uri, @request-target, @path, "
    '@query or @query-param;name="..."',
)


def _complain_of(template: str, known: set[str], where: str, name: str = "") -> None:
    found = list(problems(template, known))
    if found:
        raise ValidationError({where: {name: found} if name else found})


def _check_base64(data: Mapping[str, Any]) -> None:
    try:
        if data.get("secret_encoding") == "base64":
            b64decode(data["secret"], validate=True)
    except ValueError as error:
        raise ValidationError("must be base64, as secret_encoding says", "secret") from error


class DigestAuth(Strict):
    type = text()
    secret = text(required=True)
    algorithm = text(validate=one_of(*HASHES, *(f"hmac-{each}" for each in HASHES)))
    sign = text(required=True)
    add = NamedMap(text())
    in_ = text(data_key="in", validate=one_of("query", "body", "header"))
    name = text(required=True)
    separator = text()
    equals = text()
    empty = text(validate=one_of("skip", "keep"))
    quoted = flag()
    encoding = text(validate=one_of("hex", "base64"))
    case = text(validate=one_of("lower", "upper"))

    @validates_schema
    def fits(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        known = {*REQUEST_FACTS, "secret"}
        _complain_of(data["sign"], known, "sign")
        for name, template in data.get("add", {}).items():
            _complain_of(template, known - {"params"}, "add", name)
        if data.get("in_") == "header" and not HEADER_NAME.regex.match(data["name"]):
            raise ValidationError(str(HEADER_NAME.error), "name")
        if data.get("encoding") == "base64" and "case" in data:
            raise ValidationError("base64 has a case of its own; drop case", "case")


class HmacAuth(Strict):
    type = text()
    preset = text(validate=one_of(*PRESETS))
    secret = text(required=True)
    secret_encoding = text(validate=one_of("text", "base64"))
    key_id = text()
    algorithm = text(validate=one_of(*HASHES))
    derive = fields.List(text(), validate=validate.Length(min=1))
    sign = text()
    encoding = text(validate=one_of("hex", "base64"))
    signed_headers = fields.List(text(validate=validate.Regexp(r"[a-z0-9*_-]+\Z", error="must be in lower case")))
    values = NamedMap(text(), NAME)
    headers = NamedMap(text(), SETTABLE_HEADER)
    query = NamedMap(text())

    @validates_schema
    def fits(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        _check_base64(data)
        auth = filled(data)
        if "sign" not in auth:
            raise ValidationError(f"missing; say what is signed, or a preset: {', '.join(PRESETS)}", "sign")
        values = auth.get("values", {})
        known = {*REQUEST_FACTS, *values, "secret", "signed_headers", "canonical_headers"} - {"params"}
        known |= {"key_id"} & auth.keys()
        for each in auth.get("derive", []):
            _complain_of(each, known, "derive")
        _complain_of(auth["sign"], known, "sign")
        known.add("signature")
        for key in ("values", "headers", "query"):
            for name, template in auth.get(key, {}).items():
                _complain_of(template, known, key, name)
        try:
            needed = {name for template in ("sign", "derive") for name in _needed(auth, template)}
        except ValueError as error:
            raise ValidationError(f"{{{error}}} needs itself", "values") from error
        if "signature" in needed:
            raise ValidationError("what is signed cannot have the {signature} in it", "sign")
        outputs = [*auth.get("headers", {}).values(), *auth.get("query", {}).values()]
        if not any("signature" in reach({**values, "": each}, "") for each in outputs):
            raise ValidationError("missing; say where the {signature} goes, in headers or query", "headers")

    @post_load
    def with_preset(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return filled(data)


def _needed(auth: Mapping[str, Any], key: str) -> set[str]:
    values = auth.get("values", {})
    for name in values:
        reach(values, name)
    given = auth.get(key, [])
    return {name for each in ([given] if isinstance(given, str) else given) for name in reach({**values, "": each}, "")}


class AwsAuth(Strict):
    type = text()
    access_key_id = text(required=True, validate=TOKEN)
    secret_access_key = text(required=True)
    session_token = text(validate=TOKEN)
    region = text(required=True, validate=TOKEN)
    service = text(required=True, validate=TOKEN)
    in_ = text(data_key="in", validate=one_of("header", "query"))
    expires = whole(1)
    payload = text(validate=one_of("signed", "unsigned"))

    @validates_schema
    def fits(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if "expires" in data and data.get("in_") != "query":
            raise ValidationError("only what is signed in the query expires; add in: query", "expires")
        if data.get("expires", 1) > 604800:
            raise ValidationError("must be at most 604800 (a week)", "expires")


class HttpSignatureAuth(Strict):
    type = text()
    key_id = text(
        required=True, validate=validate.Regexp(r"[ !#-\[\]-~]+\Z", error="must be ASCII text without quotes")
    )
    algorithm = text(
        required=True,
        validate=one_of("hmac-sha256", "ed25519", "ecdsa-p256-sha256", "rsa-pss-sha512", "rsa-v1_5-sha256"),
    )
    secret = text()
    secret_encoding = text(validate=one_of("text", "base64"))
    private_key = text()
    components = fields.List(text(validate=COMPONENT))
    parameters = fields.List(
        text(validate=one_of("created", "expires", "nonce", "keyid", "alg", "tag")), validate=validate.Length(min=1)
    )
    label = text(validate=validate.Regexp(r"[a-z*][a-z0-9_.*-]*\Z", error="must be in lower case, such as sig1"))
    tag = text(validate=validate.Regexp(r"[ !#-\[\]-~]+\Z", error="must be ASCII text without quotes"))
    expires = whole(1)
    digest = text(validate=one_of("sha-256", "sha-512"))

    @validates_schema
    def fits(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        needed = "secret" if data["algorithm"] == "hmac-sha256" else "private_key"
        if needed not in data:
            raise ValidationError(f"missing; {data['algorithm']} needs it", needed)
        _check_base64(data)
        if needed == "private_key":
            try:
                signing(data["algorithm"], data["private_key"])
            except ValueError as error:
                raise ValidationError(str(error), needed) from None
