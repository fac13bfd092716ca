"""``auth:`` of a service: one shape for each type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from schemas.catalog_signatures import AwsAuth, DigestAuth, HmacAuth, HttpSignatureAuth
from schemas.keys import ROOT_CERTIFICATES, RSA_CERTIFICATES, RSA_PRIVATE_KEY, RSA_PUBLIC_KEY
from schemas.shapes import HEADER_NAME, HEADER_TEXT, NamedMap, Strict, nested, one_of, text

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
        validate=validate.Regexp(TOKEN_URL.regex.pattern, error="must be a path, or a URL without query"),
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
