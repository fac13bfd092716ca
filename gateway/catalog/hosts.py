"""Hosts that callers choose: ``base_url: https://{shop}.example.com``, ``shop`` under ``params``.

What stands between the dots is one of a list or matches a pattern, and is a plain label of a host's
name, so that a caller reaches no other host than the catalog means::

    service_at(service, {"shop": "tea"}).base_urls  # ("https://tea.example.com",)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields, validate, validates_schema

from gateway.catalog.model import Method, Param, Service
from gateway.catalog.yaml.document import Advice, Path_
from gateway.errors import fields_error
from gateway.signers.token_auth.oauth2 import CONNECTED_GRANTS
from schemas.catalog.fields import Strict, flag, one_of, text
from schemas.catalog.params import value_problems
from schemas.catalog.urls import PLACEHOLDER

HOST_PARAM_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
HOST = "host"  # where such a parameter stands
#: RFC 1123, 2.1, and the underscore that some names have; what a pattern lets through is one.
LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
#: What a list names may be several labels: nobody but the catalog's author has a say in it.
_LABELS = re.compile(rf"{LABEL.pattern}(?:\.{LABEL.pattern})*")
#: The end of a host's name below which no choice of a caller's leads elsewhere: ".example.com".
_OWN_DOMAIN = re.compile(r"\.[^{}.]+\.[^{}]+\Z")
_NOT_A_LABEL = "must be letters, digits and hyphens, as between the dots of a host's name"
_CONSTRAINTS = ("type", "pattern", "enum")


class HostParamSchema(Strict):
    """A parameter of ``base_url``."""

    type = text(required=True, validate=one_of("string"))
    pattern = text()
    enum = fields.List(
        text(validate=validate.Regexp(rf"{_LABELS.pattern}\Z", error=_NOT_A_LABEL)),
        validate=validate.Length(min=1),
    )
    required = flag()
    default = text()
    description = text()
    example = text()

    @validates_schema
    def check_allowed(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if "pattern" in data:
            try:
                re.compile(data["pattern"])
                re.compile(whole_pattern(data["pattern"]))
            except re.error as error:
                raise ValidationError(f"not a regular expression: {error}", "pattern") from error
        elif "enum" not in data:
            raise ValidationError("needs a pattern or an enum: which hosts may be called")


def whole_pattern(pattern: str) -> str:
    """Return a pattern that matches a whole value; no \\Z, which readers of OpenAPI do not know."""
    return rf"^(?:{pattern})$(?!\n)"


def host_params(declared: Mapping[str, Mapping[str, Any]]) -> tuple[Param, ...]:
    """Return a service's own parameters, each required unless it has a default."""
    params = []
    for name, keywords in declared.items():
        filled = {**keywords, "required": "default" not in keywords}
        if "pattern" in keywords:
            filled["pattern"] = whole_pattern(keywords["pattern"])
        params.append(Param(name, HOST, filled))
    return tuple(params)


def service_at(service: Service, params: Mapping[str, object]) -> Service:
    """Return the service at the host that these parameters say.

    A setting of its ``auth`` that is ``{name}``, such as a region, is filled, too.

    :raises InvalidParams: one cannot stand in a host's name.
    """
    values = {param.name: _label(param, params[param.name]) for param in service.params}
    urls = tuple(_fill(url, values) for url in service.base_urls)
    auth = dict(service.auth)
    for key, value in auth.items():
        if isinstance(value, str) and PLACEHOLDER.fullmatch(value):
            auth[key] = _fill(value, values)
    host = urlsplit(urls[0]).netloc
    return replace(service, base_urls=urls, auth=auth, host=host, params=())


def method_at(method: Method, params: Mapping[str, object]) -> Method:
    """Return the method of what ``service_at`` returns."""
    if not method.service.params:
        return method
    return replace(method, service=service_at(method.service, params))


def _label(param: Param, value: object) -> str:
    """Return a value in lower case, as hosts are the same in any."""
    shape = LABEL if "enum" not in param.keywords else _LABELS
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise fields_error(param.name, ["Not usable in a host's name."])
    return value.lower()


def _fill(template: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def check_hosts(service: Service, settings: Mapping[str, Any]) -> Iterator[Advice]:
    """Yield where ``base_url`` and ``params`` do not fit, or a host is needed before a call."""
    names = {param.name for param in service.params}
    placeholders = {name for url in service.base_urls for name in PLACEHOLDER.findall(url)}
    for name in sorted(placeholders - names):
        yield (
            ("base_url",),
            f"it has {{{name}}}, which must be declared; write beside it"
            f" params: {{{name}: {{type: string, pattern: ...}}}}",
        )
    for name in sorted(names - placeholders):
        yield ("params", name), f"base_url has no {{{name}}}"
    if placeholders:
        yield from _needs_of_one_host(service)
    if not all(_ends_in_own_domain(url, service.params) for url in service.base_urls):
        yield (
            ("base_url",),
            "a host that callers choose by a pattern must end in a domain of two names or more, as"
            " https://{shop}.example.com does; otherwise list the hosts: enum",
        )
    for param in service.params:
        if "default" in param.keywords and not _is_allowed(param.keywords["default"], param):
            yield ("params", param.name, "default"), "is not a value that is allowed here"
    for method, declared in settings.get("methods", {}).items():
        path: Path_ = ("methods", method)
        for name in sorted(names & declared.get("params", {}).keys()):
            message = "is the service's own, of its base_url; drop it here"
            yield (*path, "params", name), message
        for name in sorted(names & set(PLACEHOLDER.findall(declared["http"]))):
            yield (*path, "http"), f"{{{name}}} is of base_url; name it otherwise"


def _ends_in_own_domain(url: str, params: Iterable[Param]) -> bool:
    """Return whether a URL's host has nothing of a caller's in its domain."""
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
    open_names = {param.name for param in params if "enum" not in param.keywords}
    if open_names.isdisjoint(PLACEHOLDER.findall(host)):
        return True
    return _OWN_DOMAIN.search(host) is not None


def _needs_of_one_host(service: Service) -> Iterator[Advice]:
    if service.proxy:
        yield ("proxy",), "a proxied request does not say which host; write one service for each"
    if service.health:
        yield ("health",), "a probe does not know which host; drop it"
    if service.auth.get("grant") in CONNECTED_GRANTS:
        yield ("auth",), "an account is connected at one host; write one service for each"


def _is_allowed(value: str, param: Param) -> bool:
    keywords = {key: param.keywords[key] for key in _CONSTRAINTS if key in param.keywords}
    return not value_problems(keywords, value) and _LABELS.fullmatch(value) is not None
