"""``auth:`` of a service: one shape for each type."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from gateway.signers.hmac_template import PRESETS, filled
from gateway.signers.http_signature import signing
from gateway.signers.rsa import ROOT_CERTIFICATES, RSA_CERTIFICATES, RSA_PRIVATE_KEY, RSA_PUBLIC_KEY
from gateway.signers.templates import REQUEST_FACTS, problems, reach
from schemas.catalog_fields import (
    HEADER_NAME,
    HEADER_TEXT,
    SETTABLE_HEADER,
    NamedMap,
    Strict,
    flag,
    nested,
    one_of,
    text,
    whole,
)

# catalog_signatures: ``auth:`` of services whose every request is signed.

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
    signed_headers = fields.List(
        text(validate=validate.Regexp(r"[a-z0-9*_-]+\Z", error="must be in lower case"))
    )
    values = NamedMap(text(), NAME)
    headers = NamedMap(text(), SETTABLE_HEADER)
    query = NamedMap(text())

    @validates_schema
    def fits(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        _check_base64(data)
        auth = filled(data)
        if "sign" not in auth:
            raise ValidationError(
                f"missing; say what is signed, or a preset: {', '.join(PRESETS)}", "sign"
            )
        values = auth.get("values", {})
        known = {*REQUEST_FACTS, *values, "secret", "signed_headers", "canonical_headers"} - {
            "params"
        }
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
            raise ValidationError(
                "missing; say where the {signature} goes, in headers or query", "headers"
            )

    @post_load
    def with_preset(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return filled(data)


def _needed(auth: Mapping[str, Any], key: str) -> set[str]:
    values = auth.get("values", {})
    for name in values:
        reach(values, name)
    given = auth.get(key, [])
    return {
        name
        for each in ([given] if isinstance(given, str) else given)
        for name in reach({**values, "": each}, "")
    }


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
            raise ValidationError(
                "only what is signed in the query expires; add in: query", "expires"
            )
        if data.get("expires", 1) > 604800:
            raise ValidationError("must be at most 604800 (a week)", "expires")


class HttpSignatureAuth(Strict):
    type = text()
    key_id = text(
        required=True,
        validate=validate.Regexp(r"[ !#-\[\]-~]+\Z", error="must be ASCII text without quotes"),
    )
    algorithm = text(
        required=True,
        validate=one_of(
            "hmac-sha256", "ed25519", "ecdsa-p256-sha256", "rsa-pss-sha512", "rsa-v1_5-sha256"
        ),
    )
    secret = text()
    secret_encoding = text(validate=one_of("text", "base64"))
    private_key = text()
    components = fields.List(text(validate=COMPONENT))
    parameters = fields.List(
        text(validate=one_of("created", "expires", "nonce", "keyid", "alg", "tag")),
        validate=validate.Length(min=1),
    )
    label = text(
        validate=validate.Regexp(
            r"[a-z*][a-z0-9_.*-]*\Z", error="must be in lower case, such as sig1"
        )
    )
    tag = text(
        validate=validate.Regexp(r"[ !#-\[\]-~]+\Z", error="must be ASCII text without quotes")
    )
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


# catalog_auth: ``auth:`` of a service: one shape for each type.

TOKEN_URL = validate.Regexp(
    r"(https?://[A-Za-z0-9._:\[\]-]+)?/[!\x22$->@-~]*\Z",
    error="must be a path such as /cgi-bin/token, or a URL under base_url",
)


QUOTABLE = validate.Regexp(r"[A-Za-z0-9_-]+\Z", error="must be letters, digits, - and _")


class NoAuth(Strict):
    type = text()


class ApiKeyAuth(Strict):
    type = text()
    in_ = text(required=True, data_key="in", validate=one_of("query", "header"))
    name = text(required=True)
    value = text(required=True)

    @validates_schema
    def fits_a_header(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if data["in_"] == "header":
            for key, fits in (("name", HEADER_NAME), ("value", HEADER_TEXT)):
                try:
                    fits(data[key])
                except ValidationError as error:
                    raise ValidationError(error.messages, key) from error


class BasicAuth(Strict):
    type = text()
    username = text(required=True)
    password = text(required=True)


class BearerAuth(Strict):
    type = text()
    token = text(required=True, validate=HEADER_TEXT)


class AppSecretAuth(Strict):
    type = text()
    app_id = text(required=True)
    secret = text(required=True)
    token_url = text(required=True, validate=TOKEN_URL)


class OAuth2ClientCredentialsAuth(Strict):
    type = text()
    client_id = text(required=True)
    client_secret = text(required=True)
    token_url = text(
        required=True,
        validate=validate.Regexp(
            TOKEN_URL.regex.pattern, error="must be a path, or a URL without query"
        ),
    )
    client_auth = text(validate=one_of("basic", "body"))
    scope = text()
    audience = text()
    extra = NamedMap(text())


class _Keys(Strict):
    """All keys of at least one of the ``ways`` to verify replies."""

    ways: tuple[tuple[str, ...], ...] = ()

    @validates_schema(skip_on_field_errors=False)
    def complete(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        begun = [way for way in self.ways if any(key in data for key in way)]
        for way in begun or self.ways[:1]:
            for key in way:
                if key not in data:
                    others = " or ".join(", ".join(each) for each in self.ways)
                    raise ValidationError(f"missing; replies are verified with {others}", key)


class AlipayAuth(_Keys):
    type = text()
    app_id = text(required=True)
    private_key = text(required=True, validate=RSA_PRIVATE_KEY)
    alipay_public_key = text(validate=RSA_PUBLIC_KEY)
    app_cert = text(validate=RSA_CERTIFICATES)
    alipay_cert = text(validate=RSA_CERTIFICATES)
    alipay_root_cert = text(validate=ROOT_CERTIFICATES)
    ways = (("alipay_public_key",), ("app_cert", "alipay_cert", "alipay_root_cert"))


class WeChatPayV3Auth(_Keys):
    type = text()
    mch_id = text(required=True, validate=QUOTABLE)
    serial_no = text(required=True, validate=QUOTABLE)
    private_key = text(required=True, validate=RSA_PRIVATE_KEY)
    public_key = text(validate=RSA_PUBLIC_KEY)
    public_key_id = text(validate=QUOTABLE)
    platform_certs = text(validate=RSA_CERTIFICATES)
    ways = (("public_key", "public_key_id"), ("platform_certs",))


AUTH_TYPES: dict[str, type[Schema]] = {
    "none": NoAuth,
    "api_key": ApiKeyAuth,
    "basic": BasicAuth,
    "bearer": BearerAuth,
    "app_secret": AppSecretAuth,
    "oauth2_client_credentials": OAuth2ClientCredentialsAuth,
    "digest": DigestAuth,
    "hmac": HmacAuth,
    "alipay": AlipayAuth,
    "wechatpay_v3": WeChatPayV3Auth,
    "aws_sigv4": AwsAuth,
    "http_signature": HttpSignatureAuth,
}


def auth_field(value: Any) -> fields.Field[Any]:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in AUTH_TYPES:
        raise ValidationError({"type": [f"must be one of: {', '.join(AUTH_TYPES)}"]})
    return nested(AUTH_TYPES[kind])
