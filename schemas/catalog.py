"""The catalog's own shape: every key services.yaml may have, with what to write instead when one is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, validate, validates_schema

from schemas.params import FORMATS, JsonType

ROLES = ("guest", "user", "admin")
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
ENVELOPES = ("plain", "wechat", "alipay")
TYPES = ("string", "integer", "number", "boolean", "array", "object")
VENDOR_ERROR_TYPES = (
    "downstream_error",
    "downstream_rejected",
    "downstream_quota",
    "downstream_bad_response",
    "credential_error",
    "credential_expired",
    "invalid_signature",
)


def one_of(*allowed: str) -> validate.OneOf:
    return validate.OneOf(allowed, error="must be one of: {choices}")


class Strict(Schema):
    """An unknown key is an error that names its likely spelling."""

    class Meta:
        unknown = RAISE

    error_messages: ClassVar = {"unknown": "unknown key", "type": "must be a mapping of keys to values"}

    def handle_error(self, error: ValidationError, data: Any, *, many: bool, **kwargs: Any) -> None:
        if isinstance(error.messages, dict):
            for key, messages in error.messages.items():
                if messages == ["unknown key"]:
                    near = difflib.get_close_matches(str(key), self.fields, n=1)
                    hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(self.fields)}"
                    error.messages[key] = [f"unknown key; {hint}"]


def text(**kwargs: Any) -> JsonType:
    return JsonType("string", error_messages=_MESSAGES, **kwargs)


def whole(least: int = 0, **kwargs: Any) -> JsonType:
    check = validate.Range(min=least, error=f"must be a whole number of at least {least}")
    return JsonType("integer", validate=check, error_messages=_MESSAGES, **kwargs)


def seconds(least: float = 0, most: float = 86400 * 365, **kwargs: Any) -> JsonType:
    check = validate.Range(
        min=least, max=most, min_inclusive=least > 0, error="must be a positive number of seconds, such as 2.5"
    )
    return JsonType("number", validate=check, error_messages=_MESSAGES, **kwargs)


def flag(**kwargs: Any) -> JsonType:
    return JsonType("boolean", error_messages=_MESSAGES, **kwargs)


_MESSAGES: dict[str, Any] = {"required": "missing; this key is required", "null": "must have a value"}


class NamedMap(fields.Field[Any]):
    """A mapping from names to one shape; problems are reported under the name."""

    def __init__(self, schema: Schema | fields.Field[Any], pattern: str = r"\S+", **kwargs: Any) -> None:
        super().__init__(error_messages=_MESSAGES, **kwargs)
        self.schema = schema
        self.pattern = re.compile(pattern)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("must be a mapping of names to settings")
        loaded: dict[str, Any] = {}
        problems: dict[str, Any] = {}
        for name, each in value.items():
            try:
                if not self.pattern.fullmatch(name):
                    raise ValidationError(f"not a usable name; it must match {self.pattern.pattern}")
                load = self.schema.load if isinstance(self.schema, Schema) else self.schema.deserialize
                loaded[name] = load(each)
            except ValidationError as error:
                messages = error.messages
                problems[name] = messages.get("_schema", messages) if isinstance(messages, dict) else messages
        if problems:
            raise ValidationError(problems)
        return loaded


class OneOfShapes(fields.Field[Any]):
    """A value that is read by whichever field ``choose`` picks for it."""

    def choose(self, value: Any) -> fields.Field[Any]:
        raise NotImplementedError  # pragma: no cover

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return self.choose(value).deserialize(value)


def nested(schema: type[Schema], **kwargs: Any) -> fields.Nested:
    return fields.Nested(schema, error_messages=_MESSAGES, **kwargs)


URL = validate.Regexp(
    r"https?://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?(/[^\s?#]*)?$",
    error="must be an http(s) URL without user, query or fragment, such as https://api.example.com",
)
RATE = validate.Regexp(
    r"[1-9]\d*/(second|minute|hour|day)$", error="must be a number per second, minute, hour or day, such as 100/minute"
)


class Timeout(Strict):
    connect = seconds()
    read = seconds()


class Retry(Strict):
    times = whole(0)
    backoff = seconds()
    max_backoff = seconds()
    on = fields.List(fields.Raw())

    @validates_schema
    def known_reasons(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        for reason in data.get("on", []):
            status = isinstance(reason, int) and 400 <= reason <= 599
            if reason not in ("connect", "timeout") and not status:
                raise ValidationError(f"{reason!r} is no reason to retry; use connect, timeout or a status", "on")


class Breaker(Strict):
    window = seconds()
    min_calls = whole(1)
    failure_rate = JsonType(
        "number", validate=validate.Range(0, 1, min_inclusive=False, error="must be above 0, up to 1")
    )
    open_for = seconds()


class Health(Strict):
    path = text(required=True, validate=validate.Regexp("/", error="must begin with /"))
    interval = seconds()
    unhealthy_after = whole(1)
    healthy_after = whole(1)


class Tls(Strict):
    ca = text()
    cert = text()
    key = text()


class Cache(Strict):
    ttl = seconds(required=True)
    stale_while_revalidate = seconds()
    stale_if_error = seconds()
    vary = text(validate=one_of("caller"))


class Fallback(Strict):
    call = text(validate=validate.Regexp(r"[^.\s]+\.[^.\s]+$", error="must be service.method"))
    static = fields.Raw(allow_none=True)

    @validates_schema
    def exactly_one(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if len(data) != 1:
            raise ValidationError("must have exactly one of: call, static")


class DescribedEnvelope(Strict):
    code = text(required=True)
    ok = fields.List(fields.Raw(allow_none=True), required=True, validate=validate.Length(min=1))
    message = text()
    data = text()
    errors = NamedMap(text(validate=one_of(*VENDOR_ERROR_TYPES)))


class EnvelopeField(OneOfShapes):
    def choose(self, value: Any) -> fields.Field[Any]:
        if isinstance(value, dict):
            return nested(DescribedEnvelope)
        names = ", ".join(ENVELOPES)
        known = validate.OneOf(ENVELOPES, error=f"unknown envelope {{input!r}}; use one of {names}, or describe it")
        return text(validate=known)


class NoAuth(Strict):
    type = text()


class ApiKeyAuth(Strict):
    type = text()
    in_ = text(required=True, data_key="in", validate=one_of("query", "header"))
    name = text(required=True)
    value = text(required=True)


class BasicAuth(Strict):
    type = text()
    username = text(required=True)
    password = text(required=True)


class BearerAuth(Strict):
    type = text()
    token = text(required=True)


class AppSecretAuth(Strict):
    type = text()
    app_id = text(required=True)
    secret = text(required=True)
    token_url = text(required=True)


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
    "digest": LaterAuth,
    "hmac": LaterAuth,
    "alipay": LaterAuth,
    "wechatpay_v3": LaterAuth,
    "aws_sigv4": LaterAuth,
}


class AuthField(OneOfShapes):
    def choose(self, value: Any) -> fields.Field[Any]:
        kind = value.get("type") if isinstance(value, dict) else None
        if kind not in AUTH_TYPES:
            raise ValidationError({"type": [f"must be one of: {', '.join(AUTH_TYPES)}"]})
        return nested(AUTH_TYPES[kind])


class ParamSchema(Strict):
    """OpenAPI's keywords for one parameter, plus ``in``."""

    type = text(required=True, validate=one_of(*TYPES))
    in_ = text(data_key="in", validate=one_of("path", "query", "header", "body"))
    required = fields.Raw()
    description = text()
    nullable = flag()
    enum = fields.List(fields.Raw(), validate=validate.Length(min=1))
    default = fields.Raw(allow_none=True)
    example = fields.Raw(allow_none=True)
    minimum = JsonType("number")
    maximum = JsonType("number")
    minLength = whole()
    maxLength = whole()
    minItems = whole()
    maxItems = whole()
    pattern = text()
    format = text(validate=one_of(*sorted(FORMATS)))
    items = fields.Nested("ParamSchema")
    properties = NamedMap(fields.Nested("ParamSchema"))

    @validates_schema
    def sensible(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        required = data.get("required", False)
        names = isinstance(required, list) and all(isinstance(name, str) for name in required)
        if not isinstance(required, bool) and not (names and data.get("type") == "object"):
            raise ValidationError("must be true or false", "required")
        if "pattern" in data:
            try:
                re.compile(data["pattern"])
            except re.error as error:
                raise ValidationError(f"not a regular expression: {error}", "pattern") from error


class Shared(Strict):
    """What a service may say for all its methods and a method for itself."""

    timeout = nested(Timeout)
    deadline = seconds()
    retry = nested(Retry)
    envelope = EnvelopeField(error_messages=_MESSAGES)
    headers = NamedMap(
        text(validate=validate.Regexp(r"[^\r\n\0]*$", error="must be one line")), r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
    )
    rate_limit = text(validate=RATE)
    on_limit = text(validate=one_of("reject", "wait"))


class MethodSchema(Shared):
    http = text(
        required=True,
        validate=validate.Regexp(
            rf"({'|'.join(VERBS)}) /[^\s?#]*$", error="must be a verb and a path, such as: POST /cgi-bin/message/send"
        ),
    )
    summary = text()
    params = NamedMap(ParamSchema())
    body = text(validate=one_of("json", "form", "multipart", "xml", "raw"))
    response = text(validate=one_of("json", "xml", "text", "bytes"))
    stream = flag()
    mask = fields.List(text())
    idempotent = flag()
    idempotency_header = text(validate=validate.Regexp(r"[A-Za-z0-9-]+$", error="must be a header's name"))
    cache = nested(Cache)
    fallback = nested(Fallback)


MethodSchema._declared_fields["http"].error_messages["required"] = (
    "missing; say verb and path, such as: http: GET /v3/weather"
)


class BaseUrl(OneOfShapes):
    def choose(self, value: Any) -> fields.Field[Any]:
        if isinstance(value, list):
            return fields.List(text(validate=URL), validate=validate.Length(min=1))
        return text(validate=URL)


class Proxy(OneOfShapes):
    def choose(self, value: Any) -> fields.Field[Any]:
        return fields.List(text()) if isinstance(value, list) else flag()


class ServiceSchema(Shared):
    base_url = BaseUrl(required=True, error_messages=_MESSAGES)
    backup_url = text(validate=URL)
    auth = AuthField(error_messages=_MESSAGES)
    expose_vendor_code = flag()
    health = nested(Health)
    concurrency = whole(1)
    breaker = nested(Breaker)
    max_response = whole(1)
    allow_private = flag()
    tls = nested(Tls)
    proxy = Proxy()
    roles = fields.List(text(validate=one_of(*ROLES)), validate=validate.Length(min=1))
    methods = NamedMap(MethodSchema(), r"[A-Za-z0-9_-]{1,64}")


class Defaults(Strict):
    timeout = nested(Timeout)
    deadline = seconds()
    retry = nested(Retry)
    breaker = nested(Breaker)


class Part(Strict):
    call = text(required=True)
    params = fields.Dict()
    optional = flag()


class CatalogSchema(Strict):
    version = JsonType(
        "integer", required=True, validate=validate.Equal(1, error="must be 1"), error_messages=_MESSAGES
    )
    defaults = nested(Defaults)
    services = NamedMap(ServiceSchema(), r"[A-Za-z0-9_-]{1,64}", required=True)
    aggregates = NamedMap(NamedMap(Part()), r"[A-Za-z0-9_-]{1,64}")
