"""The catalog's shape: every key services.yaml may have, and what to write for a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from gateway.catalog.answers.paginate import pagination_field
from gateway.catalog.answers.response_headers import MAX_HEADERS, HeaderNames, check_header_name
from gateway.catalog.answers.returns import ReturnsField
from gateway.catalog.formats import body_field, envelope_field, response_field
from gateway.catalog.hosts import HOST_PARAM_NAME, HostParamSchema
from gateway.catalog.model import CachePolicy, Fallback, Health
from gateway.catalog.params.schema import ParamSchema
from gateway.catalog.registry_names import SETTINGS as REGISTRY_SETTINGS
from gateway.catalog.registry_names import RegistryName
from gateway.catalog.verb_and_path import verb_and_path
from gateway.rates import parse_rate
from gateway.signers import SIGNERS
from schemas.catalog.fields import (
    HEADER_NAME,
    HEADER_TEXT,
    MESSAGES,
    NAME,
    RATE,
    SETTABLE_HEADER,
    Frozen,
    FrozenSet,
    NamedMap,
    OneOfShapes,
    Strict,
    by_shape,
    flag,
    nested,
    one_of,
    seconds,
    text,
    whole,
    whole_bytes,
)
from schemas.catalog.hints import did_you_mean
from schemas.catalog.params import JsonType
from schemas.catalog.urls import usable_base_url, usable_proxy, usable_url
from schemas.fields import ROLES

METHOD_NAME = validate.Regexp(r"[^.\s]+\.[^.\s]+\Z", error="must be service.method")


class RateField(JsonType):
    """``100/minute``, as a ``Rate``."""

    def __init__(self) -> None:
        super().__init__("string", validate=RATE, error_messages=MESSAGES)
        self.message += " Write a number per second, minute, hour or day, such as 100/minute."

    def deserialize(self, value: Any, attr: Any = None, data: Any = None, **kwargs: Any) -> Any:
        return parse_rate(super().deserialize(value, attr, data, **kwargs))


# Of timeout, retry, breaker and tls a method may set single keys and inherit the others, so these
# load into mappings, which the loader merges.


class TimeoutSchema(Strict):
    usual = "{read: 5}"

    connect = seconds()
    read = seconds()


class RetrySchema(Strict):
    usual = "{times: 2}, or {times: 0} for none"

    times = whole(0)
    backoff = seconds()
    max_backoff = seconds()
    on = fields.List(
        fields.Raw(),
        error_messages={"invalid": "must be a list, such as [connect, timeout, 503]"},
    )

    @validates_schema
    def check_reasons(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        for reason in data.get("on", []):
            status = isinstance(reason, int) and 400 <= reason <= 599
            if reason not in ("connect", "timeout") and not status:
                raise ValidationError(
                    f"{reason!r} is no reason to retry; use connect, timeout or a status"
                    f"{did_you_mean(reason, ('connect', 'timeout'))}",
                    "on",
                )

    @post_load
    def freeze_reasons(self, data: dict[str, Any], **options: Any) -> dict[str, Any]:
        if "on" in data:
            data["on"] = frozenset(data["on"])
        return data


class BreakerSchema(Strict):
    usual = "{failure_rate: 0.5}"

    window = seconds()
    min_calls = whole(1)
    failure_rate = JsonType(
        "number",
        validate=validate.Range(0, 1, min_inclusive=False, error="must be above 0, up to 1"),
    )
    open_for = seconds()


class HealthSchema(Frozen):
    usual = "{path: /health}"
    value_class = Health

    path = text(
        required=True,
        validate=validate.Regexp(r"/[!-\x22$-~]*\Z", error="must be a path, such as /v1/health"),
    )
    interval = seconds()
    unhealthy_after = whole(1)
    healthy_after = whole(1)


class DefaultTlsSchema(Strict):
    ca = text()


class TlsSchema(DefaultTlsSchema):
    cert = text()
    key = text()


class CacheSchema(Frozen):
    usual = "{ttl: 60}"
    value_class = CachePolicy

    ttl = seconds(required=True)
    stale_while_revalidate = seconds()
    stale_if_error = seconds()
    vary = text(validate=one_of("caller"))


class FallbackSchema(Frozen):
    usual = "{call: service.method}"
    value_class = Fallback

    call = text(validate=METHOD_NAME)
    static = fields.Raw(allow_none=True)

    @validates_schema
    def check_one_key(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if len(data) != 1:
            raise ValidationError("must have exactly one of: call, static")


class CommonSchema(Strict):
    """What a service may say for all its methods and a method for itself."""

    timeout = nested(TimeoutSchema)
    deadline = seconds()
    retry = nested(RetrySchema)
    envelope = envelope_field()
    headers = NamedMap(
        text(validate=HEADER_TEXT), SETTABLE_HEADER, "be a header's name, and not one such as Host"
    )
    query = NamedMap(text())
    rate_limit = RateField()
    on_limit = text(validate=one_of("reject", "wait"))


class MethodSchema(CommonSchema):
    usual = "{http: GET /v3/weather}"

    http = text(required=True, validate=verb_and_path)
    summary = text()
    params = NamedMap(ParamSchema())
    body = body_field()
    body_param = text()
    response = response_field()
    returns = ReturnsField(ParamSchema())
    check_returns = text(validate=one_of("log", "fail"))
    response_headers = HeaderNames(
        text(validate=check_header_name),
        validate=validate.Length(max=MAX_HEADERS, error="must be {max} names at most"),
        error_messages=MESSAGES,
    )
    stream = flag()
    mask = FrozenSet(text())
    idempotent = flag()
    idempotency_header = text(validate=HEADER_NAME)
    cache = nested(CacheSchema)
    fallback = nested(FallbackSchema)
    paginate = OneOfShapes(pagination_field)


MethodSchema._declared_fields["http"].error_messages["required"] = (
    "missing; say verb and path, such as: http: GET /v3/weather"
)


def base_url_field(value: Any) -> fields.Field[Any]:
    if isinstance(value, list):
        return fields.List(text(validate=usable_base_url), validate=validate.Length(min=1))
    if isinstance(value, str) and value.partition("://")[0] in REGISTRY_SETTINGS:
        return text(validate=RegistryName.read)
    return text(validate=usable_base_url)


def proxy_paths_field() -> fields.List[Any]:
    path = validate.Regexp(r"/[!\x22$->@-~]*\Z", error="must be a path's pattern, such as /v3/*")
    return fields.List(text(validate=path))


class ProxySchema(Strict):
    paths = proxy_paths_field()
    rewrite = fields.Raw(
        validate=validate.OneOf((True, False, "body"), error="must be true, false or body")
    )


def proxy_field() -> fields.Field[Any]:
    switch = flag()
    switch.message = "must be true, or a list of paths, such as [/v3/*]"
    return by_shape(switch, mapping=nested(ProxySchema), sequence=proxy_paths_field())


def auth_field(value: Any) -> fields.Field[Any]:
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in SIGNERS:
        hint = ""
        if isinstance(kind, str):
            hint = did_you_mean(kind, SIGNERS)
        elif isinstance(value, str) and value in SIGNERS:
            hint = f"; write {{type: {value}, ...}}"
        raise ValidationError({"type": [f"must be one of: {', '.join(SIGNERS)}{hint}"]})
    return nested(SIGNERS[kind].Settings)


class ServiceSchema(CommonSchema):
    base_url = OneOfShapes(base_url_field, required=True)
    params = NamedMap(HostParamSchema(), HOST_PARAM_NAME)
    backup_url = text(validate=usable_url)
    auth = OneOfShapes(auth_field)
    expose_vendor_code = flag()
    expose_vendor_error = flag()
    health = nested(HealthSchema)
    concurrency = whole(1)
    breaker = nested(BreakerSchema)
    max_response = whole_bytes()
    allow_private = flag()
    egress_proxy = text(validate=usable_proxy)
    tls = nested(TlsSchema)
    proxy = proxy_field()
    roles = FrozenSet(text(validate=one_of(*ROLES)), validate=validate.Length(min=1))
    methods = NamedMap(MethodSchema(), NAME)


class DefaultsSchema(Strict):
    timeout = nested(TimeoutSchema)
    deadline = seconds()
    retry = nested(RetrySchema)
    breaker = nested(BreakerSchema)
    egress_proxy = text(validate=usable_proxy)
    tls = nested(DefaultTlsSchema)


class PartSchema(Strict):
    call = text(required=True, validate=METHOD_NAME)
    params = fields.Dict()
    optional = flag()


class CatalogSchema(Strict):
    hint_for_unknown = (
        "; what all services share belongs into defaults, and an anchor (&NAME) stands where it is"
        " used first"
    )

    version = JsonType(
        "integer",
        required=True,
        validate=validate.Equal(1, error="must be 1"),
        error_messages=MESSAGES,
    )
    defaults = nested(DefaultsSchema)
    services = NamedMap(ServiceSchema(), NAME, required=True)
    aggregates = NamedMap(NamedMap(PartSchema(), NAME), NAME)
