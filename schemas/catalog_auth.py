"""``auth:`` of a service: one shape for each type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate, validates_schema

from schemas.catalog_signatures import AwsAuth, DigestAuth, HmacAuth, HttpSignatureAuth
from schemas.shapes import HEADER_NAME, HEADER_TEXT, Strict, nested, one_of, text

TOKEN_URL = validate.Regexp(
    r"(https?://[A-Za-z0-9._:\[\]-]+)?/[!\x22$->@-~]*\Z",
    error="must be a path such as /cgi-bin/token, or a URL under base_url",
)


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


class LaterAuth(Schema):
    """An auth type that is known but not built yet: its keys are taken as they are."""

    class Meta:
        unknown = INCLUDE

    type = text()


AUTH_TYPES: dict[str, type[Schema]] = {
    "none": NoAuth,
    "api_key": ApiKeyAuth,
    "basic": BasicAuth,
    "bearer": BearerAuth,
    "app_secret": AppSecretAuth,
    "oauth2_client_credentials": LaterAuth,
    "digest": DigestAuth,
    "hmac": HmacAuth,
    "alipay": LaterAuth,
    "wechatpay_v3": LaterAuth,
    "aws_sigv4": AwsAuth,
    "http_signature": HttpSignatureAuth,
}


def auth_field(value: Any) -> fields.Field[Any]:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in AUTH_TYPES:
        raise ValidationError({"type": [f"must be one of: {', '.join(AUTH_TYPES)}"]})
    return nested(AUTH_TYPES[kind])
