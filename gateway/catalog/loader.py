"""services.yaml -> a frozen Catalog, or one error that names file, line and key of everything that is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from marshmallow import ValidationError

from gateway.catalog.checks import (
    aggregates_of,
    check_body,
    check_cache,
    check_fallbacks,
    check_params,
    check_public,
    check_signed,
    check_stand_ins,
    flat,
    proxy_paths,
    tls_files,
    unread,
)
from gateway.catalog.egress_proxy import read_proxy
from gateway.catalog.model import (
    Breaker,
    CachePolicy,
    Catalog,
    Fallback,
    Health,
    Method,
    Param,
    Retry,
    Service,
    Timeout,
)
from gateway.catalog.schema import CatalogSchema
from gateway.catalog.yaml_document import Document, DocumentError, Path_, read
from gateway.masking import Secret
from gateway.rates import rate_of
from gateway.signers import SIGNERS

CatalogError = DocumentError

BUILTIN: Mapping[str, Any] = {
    "timeout": {"connect": 3.05, "read": 5},
    "deadline": 10,
    "retry": {
        "times": 2,
        "backoff": 0.2,
        "max_backoff": 2,
        "on": ["connect", "timeout", 502, 503, 504],
    },
    "breaker": {"window": 10, "min_calls": 20, "failure_rate": 0.5, "open_for": 10},
}
MAX_RESPONSE = 10 * 1024 * 1024
SAFE_VERBS = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
IN_QUERY = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
PROXY = "proxy"  # what proxied requests are called in logs, limits and an app's ``allow``
_NO_METHODS: Mapping[str, Method] = MappingProxyType({})
_UNUSED = re.compile(r"\{([^{}]*)\}")


def load_catalog(text: str, name: str, env: Mapping[str, str]) -> Catalog:
    """Read, check and freeze a catalog.

    Uses no lock, no socket and nothing of gevent, so that a native thread may run it.

    :param text: YAML.
    :param name: what error messages call it, such as ``services.yaml``.
    :param env: where ``${NAME}`` is looked up.
    :raises CatalogError: everything that is wrong, one line each; nothing of the catalog is used then.
    """
    document = read(text, name, env)
    try:
        loaded: dict[str, Any] = CatalogSchema().load(document.value)  # type: ignore[arg-type]
    except ValidationError as error:
        for path, say in flat(error.messages):
            document.complain(path, say)
        raise DocumentError(name, document.problems) from error
    return _Loader(document, loaded).catalog()


class _Loader:
    """Builds the frozen values and checks what spans several keys."""

    def __init__(self, document: Document, loaded: dict[str, Any]) -> None:
        self.document = document
        self.loaded = loaded
        self.defaults = {
            key: {**given, **loaded.get("defaults", {}).get(key, {})}
            for key, given in BUILTIN.items()
            if isinstance(given, Mapping)
        }
        self.notes: list[str] = []
        self.egress_proxy: str | None = loaded.get("defaults", {}).get("egress_proxy")
        self.tls: dict[str, str] = loaded.get("defaults", {}).get("tls", {})
        tls_files(document, ("defaults", "tls"), self.tls, {})
        self.deadline = loaded.get("defaults", {}).get("deadline", BUILTIN["deadline"])

    def catalog(self) -> Catalog:
        services = {name: self._service(name, raw) for name, raw in self.loaded["services"].items()}
        check_fallbacks(self.document, self.loaded["services"])
        check_stand_ins(self.document, services)
        aggregates, notes = aggregates_of(self.document, self.loaded)
        self.document.stop_if_wrong()
        secrets = [
            value
            for service in services.values()
            for value in service.auth.values()
            if isinstance(value, Secret)
        ]
        for service in services.values():
            secrets.extend(service.egress_proxy.secrets if service.egress_proxy else ())
        secrets.extend(
            Secret(filled) for path, filled in self.document.injected if self._is_secret(path)
        )
        return Catalog(
            MappingProxyType(services),
            MappingProxyType(aggregates),
            tuple(secrets),
            (*self.notes, *notes),
        )

    def _service(self, name: str, raw: dict[str, Any]) -> Service:
        urls = raw["base_url"] if isinstance(raw["base_url"], list) else [raw["base_url"]]
        check_signed(self.document, name, raw)
        service = Service(
            name=name,
            base_urls=tuple(url.rstrip("/") for url in urls),
            auth=self._auth(name, raw.get("auth", {"type": "none"}), urls[0]),
            expose_vendor_code=raw.get("expose_vendor_code", False),
            max_response=raw.get("max_response", MAX_RESPONSE),
            tls=tls_files(self.document, ("services", name, "tls"), raw.get("tls", {}), self.tls),
            roles=frozenset(raw.get("roles", ("user", "admin"))),
            methods=_NO_METHODS,
            breaker=Breaker(**self._merged("breaker", raw)),
            backup_url=raw["backup_url"].rstrip("/") if "backup_url" in raw else None,
            health=Health(**raw["health"]) if "health" in raw else None,
            rate_limit=rate_of(raw["rate_limit"]) if "rate_limit" in raw else None,
            concurrency=raw.get("concurrency"),
            allow_private=raw.get("allow_private", False),
            egress_proxy=read_proxy(proxy)
            if (proxy := raw.get("egress_proxy", self.egress_proxy))
            else None,
            proxy=proxy_paths(raw),
            rewrites=self._rewrites(name, raw),
        )
        self.notes.extend(check_public(name, service))
        methods: dict[str, Method] = {}
        for each, settings in raw.get("methods", {}).items():
            methods[each] = self._method(service, each, raw, settings)
        return replace(
            service, methods=MappingProxyType(methods), proxied=self._proxied(service, raw)
        )

    def _rewrites(self, name: str, raw: dict[str, Any]) -> bool:
        proxy = raw.get("proxy", False)
        rewrite = proxy.get("rewrite", True) if isinstance(proxy, dict) else True
        if rewrite == "body":
            self.notes.append(
                f"services.{name}.proxy.rewrite: body is not built yet; only headers are rewritten"
            )
        return bool(rewrite)

    def _auth(self, service: str, raw: dict[str, Any], base_url: str) -> dict[str, Any]:
        """Return the settings that fit the base URL, with a ``Secret`` for what may not be shown."""
        path: Path_ = ("services", service, "auth")
        settings = SIGNERS[raw["type"]].Settings()
        try:
            bound = settings.bind(raw, base_url)
        except ValidationError as error:
            for keys, problem in flat(error.messages):
                self.document.complain((*path, *keys), problem)
            bound = raw
        injected = {where[3:] for where, _ in self.document.injected if where[:3] == path}
        return settings.conceal(bound, injected)

    def _is_secret(self, path: Path_) -> bool:
        """Whether what was filled in at this path is masked wherever it turns up."""
        if "headers" in path or "query" in path:
            return True
        if path[0] != "services" or path[2:3] != ("auth",):
            return False
        if len(path) != 4:
            return True
        auth = self.loaded["services"][path[1]]["auth"]
        return SIGNERS[auth["type"]].Settings.secrecy()[str(path[3])]

    def _method(
        self, service: Service, name: str, above: dict[str, Any], raw: dict[str, Any]
    ) -> Method:
        path: Path_ = ("services", service.name, "methods", name)
        verb, template = raw["http"].split(" ", 1)
        params = tuple(
            _param(each, keywords, verb, template)
            for each, keywords in raw.get("params", {}).items()
        )
        check_params(self.document, path, template, params, raw)
        check_body(self.document, path, params, raw)
        check_cache(self.document, path, verb, raw)
        for param in (unseen := unread(params, raw)):
            told = f"services.{service.name}.methods.{name}.params.{param.name}"
            self.notes.append(f"{told}: not checked, as the body is streamed as it comes")
        params = tuple(param for param in params if param not in unseen)
        return Method(
            service=service, name=name, verb=verb, path=template, summary=raw.get("summary", ""), params=params,
            body=raw.get("body", "json"), response=raw.get("response", "json"),
            mask=frozenset(raw.get("mask", ())),
            idempotent=raw.get("idempotent", verb in SAFE_VERBS),
            idempotency_header=raw.get("idempotency_header"),
            timeout=Timeout(**self._merged("timeout", above, raw)),
            deadline=raw.get("deadline", above.get("deadline", self.deadline)),
            retry=_retry(self._merged("retry", above, raw)),
            envelope=raw.get("envelope", above.get("envelope", "plain")),
            headers=MappingProxyType({**above.get("headers", {}), **raw.get("headers", {})}),
            query=MappingProxyType({**above.get("query", {}), **raw.get("query", {})}),
            rate_limit=rate_of(raw["rate_limit"]) if "rate_limit" in raw else None,
            on_limit=raw.get("on_limit", above.get("on_limit", "reject")),
            cache=CachePolicy(**raw["cache"]) if "cache" in raw else None,
            fallback=Fallback(**raw["fallback"]) if "fallback" in raw else None,
            stream=raw.get("stream", False),
        )  # fmt: skip

    def _merged(self, key: str, *layers: dict[str, Any]) -> dict[str, Any]:
        merged = dict(self.defaults[key])
        for layer in layers:
            merged.update(layer.get(key, {}))
        return merged

    def _proxied(self, service: Service, raw: dict[str, Any]) -> dict[str, Method]:
        """What stands for the requests that are passed on as they are: they have no name, so they have one together."""
        if not service.proxy:
            return {}
        if PROXY in raw.get("methods", {}):
            where: Path_ = ("services", service.name, "methods", PROXY)
            self.document.complain(
                where, f"of a service with proxy, {PROXY!r} stands for proxied requests; rename it"
            )
        told = {"type": "string", "in_": "query"}  # for the log
        shape = {
            "http": "POST /",
            "summary": "Any request, passed on as it is",
            "params": {"verb": told, "path": told},
        }
        once = self._method(service, PROXY, raw, {**shape, "stream": True})
        return {"once": once, "repeatable": replace(once, idempotent=True)}


def _param(name: str, keywords: dict[str, Any], verb: str, template: str) -> Param:
    place = keywords.get("in_")
    if place is None:
        in_template = f"{{{name}}}" in template
        place = "path" if in_template else "query" if verb in IN_QUERY else "body"
    required = "default" not in keywords if place == "path" else keywords.get("required", False)
    return Param(name, place, {**keywords, "required": required})


def _retry(merged: dict[str, Any]) -> Retry:
    return Retry(
        **{each.name: merged[each.name] for each in fields(Retry) if each.name != "on"},
        on=frozenset(merged["on"]),
    )
