"""Base URLs that name a service of a registry, whose instances come and go::

    RegistryName.read("consul://users/v1?tag=blue")  # kind="consul", name="users", path="/v1"
    RegistryName.read("https://users.example.com")  # None

The registry's own address is the operator's: ``CONSUL_HTTP_ADDR`` or ``NACOS_ADDR``, or CATALOG's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from marshmallow import ValidationError

from gateway.catalog.model import Service
from gateway.catalog.yaml.document import Advice, Path_, YamlDocument
from gateway.http_messages import authority

SETTINGS = {"consul": "CONSUL_HTTP_ADDR", "nacos": "NACOS_ADDR"}
EXAMPLES = {"consul": "http://127.0.0.1:8500", "nacos": "http://127.0.0.1:8848"}
OPTIONS = {
    "consul": ("scheme", "tag", "dc", "ns"),
    "nacos": ("scheme", "group", "namespace", "cluster"),
}
SCHEMES = ("http", "https")
_SHAPE = re.compile(
    r"(?P<kind>consul|nacos)://(?P<name>[A-Za-z0-9._-]+)(?P<port>:[^/?]*)?"
    r"(?P<path>(?:/[!\x22$->@-~]*)?)(?:\?(?P<query>[!\x22$-~]*))?"
)


@dataclass(frozen=True, slots=True)
class RegistryName:
    """A base URL that names a service of a registry, taken apart.

    :param path: what every instance's URL ends with; no slash at its end.
    """

    kind: str
    name: str
    path: str
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, url: str) -> RegistryName | None:
        """Return None where the URL is that of one place.

        :raises ValidationError: it is of a registry, and not complete or correct.
        """
        kind, _, _ = url.partition("://")
        if kind not in SETTINGS:
            return None
        shape = _SHAPE.fullmatch(url)
        if shape is None:
            raise ValidationError(
                f"must be {kind}://NAME or {kind}://NAME/PATH, with {_allowed(kind)}"
            )
        if shape["port"]:
            raise ValidationError(
                f"{kind}://NAME names a service and has no port; where {kind} itself is says"
                f" {SETTINGS[kind]}, such as {EXAMPLES[kind]}"
            )
        pairs = parse_qsl(shape["query"] or "", keep_blank_values=True)
        options = dict(pairs)
        if len(options) < len(pairs) or not all(
            name in OPTIONS[kind] and value for name, value in pairs
        ):
            raise ValidationError(
                f"its query may have {_allowed(kind)}, each once and with a value"
            )
        if options.get("scheme", "http") not in SCHEMES:
            raise ValidationError(f"its scheme must be one of: {', '.join(SCHEMES)}")
        return cls(kind, shape["name"], shape["path"].rstrip("/"), options)

    def url(self, scheme: str, host: str, port: int) -> str:
        """Return an instance's base URL; the name's own ``scheme`` goes before the registry's."""
        scheme = self.options.get("scheme", scheme)
        return f"{scheme}://{authority(host, port)}{self.path}"


def _allowed(kind: str) -> str:
    *options, last = OPTIONS[kind]
    return f"{', '.join(options)} or {last} as its query"


def registry_address(kind: str, env: Mapping[str, str]) -> str:
    """Return where the registry is, as a setting says; empty where none does."""
    catalog = env.get("CATALOG", "")
    if env.get(SETTINGS[kind]):
        return env[SETTINGS[kind]]
    return catalog if catalog.startswith(f"{kind}://") else ""


def check_registry(
    document: YamlDocument, service: Service, env: Mapping[str, str]
) -> Iterator[Advice]:
    """Check that a setting says where the registry is; yield a note where it may be refused."""
    name = RegistryName.read(service.base_urls[0])
    if name is None:
        return
    path: Path_ = ("services", service.name, "base_url")
    if not registry_address(name.kind, env):
        setting = SETTINGS[name.kind]
        document.complain(
            path, f"nothing says where {name.kind} is; set {setting}={EXAMPLES[name.kind]}"
        )
    if service.rewrites_body:
        document.complain(
            ("services", service.name, "proxy", "rewrite"),
            "an instance's URL is not known beforehand; write true, or false",
        )
    if not service.allow_private:
        yield (
            ("services", service.name),
            f"instances of {name.kind} in a private network are refused;"
            " write allow_private: true if they are there",
        )
