"""services.yaml -> a frozen Catalog, or one error that tells everything that is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from marshmallow import ValidationError

from gateway.bodies.json import leaves
from gateway.catalog.aggregate_loader import build_aggregates
from gateway.catalog.answers.paginate import check_pagination
from gateway.catalog.answers.returns import check_returns, check_static, share_equal
from gateway.catalog.checks import (
    check_cache,
    check_envelope,
    check_fallbacks,
    check_public,
    check_service,
    check_signed,
    is_soap,
    load_tls,
    proxy_paths,
)
from gateway.catalog.durations import DEADLINE_SECONDS, check_durations
from gateway.catalog.egress_proxy import Proxy
from gateway.catalog.hosts import check_hosts, host_params
from gateway.catalog.model import Breaker, Catalog, Method, Retry, Service, Timeout
from gateway.catalog.params.checks import (
    check_body,
    check_body_param,
    check_declarations,
    check_params,
    check_xml_prefixes,
)
from gateway.catalog.params.place import make_param
from gateway.catalog.params.styles import check_styles
from gateway.catalog.registry_names import check_registry
from gateway.catalog.schema import CatalogSchema
from gateway.catalog.yaml.document import (
    Advice,
    DocumentError,
    Path_,
    YamlDocument,
    flatten_messages,
)
from gateway.catalog.yaml.parser import read
from gateway.masking import Secret
from gateway.signers import SIGNERS

CatalogError = DocumentError

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "timeout": {"connect": 3.05, "read": 5},
    "retry": {
        "times": 2,
        "backoff": 0.2,
        "max_backoff": 2,
        "on": frozenset({"connect", "timeout", 502, 503, 504}),
    },
    "breaker": {"window": 10, "min_calls": 20, "failure_rate": 0.5, "open_for": 10},
}
METHOD_CHECKS = (
    check_params,
    check_styles,
    check_body_param,
    check_body,
    check_xml_prefixes,
    check_envelope,
    check_pagination,
    check_returns,
)
SAFE_VERBS = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
PROXY = "proxy"  # what proxied requests are called in logs, limits and an app's ``allow``


def load_catalog(text: str, name: str, env: Mapping[str, str]) -> Catalog:
    """Read, check and freeze a catalog.

    Uses no lock, no socket and nothing of gevent, so that a native thread may run it.

    :param text: YAML.
    :param name: what error messages call it, such as ``services.yaml``.
    :param env: where ``${NAME}`` is looked up.
    :raises CatalogError: everything that is wrong, one line each; nothing of the catalog is used
        then.
    """
    document = read(text, name, env)
    try:
        settings: dict[str, Any] = CatalogSchema().load(document.value)  # type: ignore[arg-type]
    except ValidationError as error:
        document.complain_of_all(flatten_messages(error.messages))
        raise document.error() from error
    return _Loader(document, settings, env).catalog()


class _Loader:
    """Adds what methods inherit to what the schema has loaded, and checks what spans keys."""

    def __init__(
        self, document: YamlDocument, settings: dict[str, Any], env: Mapping[str, str]
    ) -> None:
        self.document = document
        self.settings = settings
        self.env = env
        self.defaults = settings.get("defaults", {})
        self.notes: list[Advice] = []
        self.shared_returns: dict[Any, Any] = {}
        load_tls(document, ("defaults", "tls"), self.defaults.get("tls", {}), {})

    def catalog(self) -> Catalog:
        services = {
            name: self._service(name, settings)
            for name, settings in self.settings["services"].items()
        }
        self.document.complain_of_all(check_fallbacks(services))
        aggregates, aggregate_notes = build_aggregates(self.document, self.settings)
        self.document.stop_if_wrong()
        return Catalog(
            MappingProxyType(services),
            MappingProxyType(aggregates),
            tuple(self._secrets(services)),
            tuple(
                self.document.note(*advice)
                for advice in dict.fromkeys([*self.notes, *aggregate_notes])
            ),
        )

    def _secrets(self, services: Mapping[str, Service]) -> Iterator[Secret]:
        for service in services.values():
            yield from (value for _, value in leaves(service.auth) if isinstance(value, Secret))
            if service.egress_proxy:
                yield from service.egress_proxy.secrets
        for path, text in self.document.injected:
            if self._is_secret(path):
                yield Secret(text)

    def _is_secret(self, path: Path_) -> bool:
        """Return whether a text that was filled in at this path is masked wherever it turns up."""
        if "headers" in path or "query" in path:
            return True
        if path[0] != "services" or path[2:3] != ("auth",):
            return False
        if len(path) != 4:
            return True
        auth = self.settings["services"][path[1]]["auth"]
        return SIGNERS[auth["type"]].Settings.secrecy()[str(path[3])]

    def _service(self, name: str, settings: dict[str, Any]) -> Service:
        service = Service(name=name, **self._service_values(name, settings))
        path: Path_ = ("services", name)
        self.notes.extend(check_public(service))
        self.notes.extend(check_declarations(path, service.params))
        self.notes.extend(check_registry(self.document, service, self.env))
        self.document.complain_of_all(check_hosts(service, settings), path)
        methods = {
            method: self._method(service, method, settings, own)
            for method, own in settings.get("methods", {}).items()
        }
        self.document.complain_of_all(check_signed(service, methods), path)
        self.notes.extend(check_durations(self.document, service, methods))
        self.notes.extend(check_service(self.document, service, methods))
        return replace(
            service,
            methods=MappingProxyType(methods),
            proxied=self._proxied(service, settings),
        )

    def _service_values(self, name: str, settings: dict[str, Any]) -> dict[str, Any]:
        """Return what `Service` holds, but for its name and its methods."""
        urls = settings["base_url"]
        if not isinstance(urls, list):
            urls = [urls]
        proxy = settings.get("proxy", False)
        rewrite = proxy.get("rewrite", True) if isinstance(proxy, dict) else True
        values = {
            **_select(Service, settings),
            "base_urls": tuple(url.rstrip("/") for url in urls),
            "auth": self._auth(name, settings.get("auth", {"type": "none"}), urls[0]),
            "tls": load_tls(
                self.document,
                ("services", name, "tls"),
                settings.get("tls", {}),
                self.defaults.get("tls", {}),
            ),
            "breaker": Breaker(**self._inherit("breaker", settings)),
            "proxy": proxy_paths(settings),
            "rewrites": bool(rewrite),
            "rewrites_body": rewrite == "body",
            "methods": MappingProxyType({}),
            "params": host_params(settings.get("params", {})),
        }
        auth_settings = SIGNERS[values["auth"]["type"]].Settings
        values["token_urls"] = auth_settings.token_urls(values["auth"])
        if "backup_url" in settings:
            values["backup_url"] = settings["backup_url"].rstrip("/")
        if proxy := settings.get("egress_proxy", self.defaults.get("egress_proxy")):
            values["egress_proxy"] = Proxy.read(proxy)
        return values

    def _auth(self, service: str, settings: dict[str, Any], base_url: str) -> dict[str, Any]:
        """Return the settings that fit the base URL, with a ``Secret`` for each secret."""
        path: Path_ = ("services", service, "auth")
        schema = SIGNERS[settings["type"]].Settings
        try:
            bound = schema.bind(settings, base_url)
        except ValidationError as error:
            self.document.complain_of_all(flatten_messages(error.messages), path)
            bound = settings
        injected = {place[3:] for place, _ in self.document.injected if place[:3] == path}
        return schema.conceal(bound, injected)

    def _method(
        self, service: Service, name: str, inherited: dict[str, Any], settings: dict[str, Any]
    ) -> Method:
        verb, template = settings["http"].split(" ", 1)
        if "returns" in settings:
            settings["returns"] = share_equal(settings["returns"], self.shared_returns)
        envelope = settings.get("envelope", inherited.get("envelope", "plain"))
        usual_response = "xml" if is_soap(envelope) else "json"
        params = [
            make_param(param, keywords, verb, template)
            for param, keywords in settings.get("params", {}).items()
        ]
        values = {
            "idempotent": verb in SAFE_VERBS,
            "deadline": self.defaults.get("deadline", DEADLINE_SECONDS),
            **{key: inherited[key] for key in _INHERITED if key in inherited},
            **_select(Method, settings),
            "response": settings.get("response", usual_response),
            "params": (*service.params, *params),
            "timeout": Timeout(**self._inherit("timeout", inherited, settings)),
            "retry": Retry(**self._inherit("retry", inherited, settings)),
            "headers": _merge("headers", inherited, settings),
            "query": _merge("query", inherited, settings),
        }
        method = Method(service=service, name=name, verb=verb, path=template, **values)
        path: Path_ = ("services", service.name, "methods", name)
        for check in METHOD_CHECKS:
            self.document.complain_of_all(check(method), path)
        self.document.complain_of_all(check_cache(method, settings), path)
        self.notes.extend(check_declarations(path, params))
        self.notes.extend(check_static(path, method))
        return self._without_streamed_params(path, method)

    def _without_streamed_params(self, path: Path_, method: Method) -> Method:
        """Drop the parameters in a body that goes on as it comes: nobody reads them on the way."""
        if not method.streams_body:
            return method
        message = "not checked, as the body is streamed as it comes"
        for param in method.params:
            if param.place == "body":
                self.notes.append(((*path, "params", param.name), message))
        others = tuple(param for param in method.params if param.place != "body")
        return replace(method, params=others)

    def _inherit(self, key: str, *layers: dict[str, Any]) -> dict[str, Any]:
        """Return a mapping of settings, each from the last layer that has it."""
        return {**DEFAULTS[key], **_merge(key, self.defaults, *layers)}

    def _proxied(self, service: Service, settings: dict[str, Any]) -> dict[str, Method]:
        """Return what stands for requests that are passed on; they have one name together."""
        if not service.proxy:
            return {}
        if PROXY in settings.get("methods", {}):
            place: Path_ = ("services", service.name, "methods", PROXY)
            self.document.complain(
                place, f"of a service with proxy, {PROXY!r} stands for proxied requests; rename it"
            )
        logged_param = {"type": "string", "in_": "query"}
        declaration = {
            "http": "POST /",
            "summary": "Any request, passed on as it is",
            "params": {"verb": logged_param, "path": logged_param},
            "stream": True,
        }
        once = self._method(service, PROXY, settings, declaration)
        return {"once": once, "repeatable": replace(once, idempotent=True)}


#: What a method inherits whole; ``timeout``, ``retry``, ``headers`` and ``query`` are inherited key
#: by key.
_INHERITED = ("deadline", "envelope", "on_limit")


def _select(value_class: type, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are fields of a value, as the schema has loaded them."""
    names = [field.name for field in fields(value_class)]
    return {name: settings[name] for name in names if name in settings}


def _merge(key: str, *layers: Mapping[str, Any]) -> Mapping[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        merged.update(layer.get(key, {}))
    return MappingProxyType(merged)
