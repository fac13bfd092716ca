"""What Consul and Nacos answer when they are asked for a service's instances.

Sources: https://developer.hashicorp.com/consul/api-docs/health#list-service-instances-for-service,
https://nacos.io/en/docs/open-api/ (query instances).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from threading import Event
from typing import Any, NamedTuple
from urllib.parse import quote

from gateway.catalog.registry_names import SCHEMES, RegistryName, registry_address
from gateway.clock import Clock
from gateway.discovery.addresses import read_address
from gateway.http_messages import HttpResponse
from gateway.masking import Masker
from gateway.sources.base import SourceError
from gateway.sources.consul import BlockingQuery, token_headers
from gateway.sources.http import Server
from gateway.sources.nacos import Login

POLL_SECONDS = 2.0  # between two looks into Nacos
MAX_INSTANCES = 1000
MAX_PORT = 65535
_HOST = re.compile(r"[A-Za-z0-9._:-]+")  # a name, or an address of either kind


class Place(NamedTuple):
    """Where an instance is, as the registry has it."""

    scheme: str
    host: str
    port: int


class Registry:
    """One service's instances. Used by one thread at a time."""

    def __init__(
        self, name: RegistryName, env: Mapping[str, str], clock: Clock, masker: Masker
    ) -> None:
        self._name = name
        self._address = read_address(name.kind, registry_address(name.kind, env))
        self._server = Server(self._address, name.kind, clock)

    def wait_for_urls(self, stopping: Event) -> list[str]:
        """Return the base URLs once they may have changed; the first time at once.

        :raises SourceError: the registry cannot be asked, or answers nonsense.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End what ``wait_for_urls`` is waiting for."""
        self._server.close()

    def _read(
        self, response: HttpResponse, places_in: Callable[[Any], Iterator[Place]]
    ) -> list[Place]:
        """Return the instances that an answer names.

        :raises SourceError: the answer is not what the registry's documentation says.
        """
        text = self._server.read_text(response)
        try:
            return list(places_in(json.loads(text)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            message = f"{self._name.kind} answered no list of instances"
            detail = f"{message}: {type(error).__name__}: {error}"
            raise SourceError(message, detail) from error

    def _urls(self, places: list[Place]) -> list[str]:
        """Return the base URLs of those that can be called; whoever registers may say anything.

        :raises SourceError: they are too many.
        """
        usable = [
            place for place in places if 0 < place.port <= MAX_PORT and _HOST.fullmatch(place.host)
        ]
        urls = list(dict.fromkeys(self._name.url(*place) for place in usable))
        if len(urls) > MAX_INSTANCES:
            kind = self._name.kind
            raise SourceError(f"{kind} knows more than {MAX_INSTANCES} instances of one service")
        return urls


class ConsulRegistry(Registry):
    """Instances all of whose checks pass, by blocking queries."""

    def __init__(
        self, name: RegistryName, env: Mapping[str, str], clock: Clock, masker: Masker
    ) -> None:
        super().__init__(name, env, clock, masker)
        options = {key: name.options[key] for key in ("tag", "dc", "ns") if key in name.options}
        self._query = BlockingQuery(
            self._server,
            f"/v1/health/service/{quote(name.name)}",
            {"passing": "1", **options},
            token_headers(self._address, env, masker),
        )

    def wait_for_urls(self, stopping: Event) -> list[str]:
        response = self._query.wait()
        places = self._read(response, _consul_places)
        self._query.accept(response)
        return self._urls(places)


class NacosRegistry(Registry):
    """Instances that are healthy and enabled, asked for every few seconds."""

    def __init__(
        self, name: RegistryName, env: Mapping[str, str], clock: Clock, masker: Masker
    ) -> None:
        super().__init__(name, env, clock, masker)
        server_options = self._address.options
        self._login = Login(self._server, server_options, env, clock, masker)
        options = name.options
        self._query = {
            "serviceName": name.name,
            "groupName": options.get("group", "DEFAULT_GROUP"),
            "healthyOnly": "true",
        }
        tenant = server_options.get("tenant") or server_options.get("namespace", "")
        if namespace := options.get("namespace") or env.get("NACOS_NAMESPACE") or tenant:
            self._query["namespaceId"] = namespace
        if cluster := options.get("cluster"):
            self._query["clusters"] = cluster
        self._has_list = False

    def wait_for_urls(self, stopping: Event) -> list[str]:
        if self._has_list:
            stopping.wait(POLL_SECONDS)
        self._has_list = False
        query = {**self._query, **self._login.params()}
        response = self._server.get("/nacos/v1/ns/instance/list", query)
        self._login.check(response)
        self._has_list = True
        if _is_unknown(response):
            return []
        return self._urls(self._read(response, _nacos_places))


def _is_unknown(response: HttpResponse) -> bool:
    """Return whether Nacos has never heard of the service, as some versions say so."""
    return response.status == 404 or (
        response.status == 500 and b"not found" in response.body[:1000]
    )


def _scheme(meta: Mapping[str, Any], tags: Any) -> str:
    """Return what the instance itself says of its scheme; ``http`` where it says nothing."""
    if meta.get("scheme") in SCHEMES:
        return str(meta["scheme"])
    return "https" if "https" in tags else "http"


def _consul_places(entries: Any) -> Iterator[Place]:
    for entry in entries:
        service = entry["Service"]
        host = service["Address"] or entry["Node"]["Address"]
        scheme = _scheme(service.get("Meta") or {}, service.get("Tags") or ())
        yield Place(scheme, str(host), int(service["Port"]))


def _nacos_places(answer: Any) -> Iterator[Place]:
    for host in answer["hosts"]:
        if host.get("healthy", True) and host.get("enabled", True) and host.get("weight", 1):
            scheme = _scheme(host.get("metadata") or {}, ())
            yield Place(scheme, str(host["ip"]), int(host["port"]))


REGISTRIES: Mapping[str, type[Registry]] = {
    "consul": ConsulRegistry,
    "nacos": NacosRegistry,
}
