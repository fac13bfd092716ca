"""Where the operations are: at the file's server, or at one that the path or operation names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urljoin

from marshmallow import ValidationError

from cli.openapi.source import Spec, SpecError, UnsayableError, list_in, mapping_in
from gateway.catalog.hosts import LABEL
from schemas.catalog.urls import PLACEHOLDER, usable_base_url

ANY_LABEL = "[A-Za-z0-9-]+"
_VARIABLE = re.compile(r"\{([^{}]*)\}")
Holder = Mapping[str, Any]


class OtherServerError(UnsayableError):
    """An operation is at the file's server, and another one is imported."""


class Server:
    """One of ``servers``.

    :ivar url: without a slash at its end; variables without a default stay ``{name}``.
    """

    def __init__(self, server: Any, base: str = "") -> None:
        if not isinstance(server, dict):
            server = {}
        template = str(server.get("url", ""))
        defaults = {
            str(name): str(variable["default"])
            for name, variable in mapping_in(server, "variables").items()
            if isinstance(variable, dict) and variable.get("default")
        }
        url = _VARIABLE.sub(lambda match: defaults.get(match[1], match[0]), template)
        if base and url:
            url = urljoin(f"{base}/", url)
        self.url = url.rstrip("/")
        fixed_parts = _VARIABLE.split(template.rstrip("/"))[::2]
        self._pattern = re.compile("[^/?#]*".join(map(re.escape, fixed_parts)))

    def matches(self, url: str) -> bool:
        """Tell whether it is that URL, with whatever its variables may be."""
        return url == self.url or bool(self._pattern.fullmatch(url))


class Servers:
    """Tells which operations are at the service's base URL.

    :param operations: path item and operation of each.
    :param base_url: that of the service; unless given, the file's first server or, where no
        operation is there, the one that most of them name.
    :ivar base_url: without a slash at its end.
    :raises SpecError: there is no base URL that can be called.
    """

    def __init__(
        self, spec: Spec, operations: Iterable[tuple[Holder, Holder]], base_url: str | None
    ) -> None:
        self._spec = spec
        self._of_file = _file_servers(spec)
        self._first_url = self._of_file[0].url if self._of_file else ""
        by_operation = [self._own_servers(item, operation) for item, operation in operations]
        own = [server for servers in by_operation for server in servers]
        if own and all(by_operation) and not any(server.url == self._first_url for server in own):
            counts = Counter(server.url for server in own)
            self._first_url = counts.most_common(1)[0][0]
            self._of_file = [Server({"url": self._first_url})]
        self.base_url = _check_url(base_url or self._first_url)
        self._is_files = any(server.matches(self.base_url) for server in self._of_file)
        self._is_operations = not self._is_files and any(
            server.matches(self.base_url) for server in own
        )

    def params(self) -> dict[str, Any]:
        """Return what callers say of the base URL: its variables that have no default."""
        variables: dict[str, Any] = {}
        for server in list_in(self._spec.root, "servers"):
            variables.update(mapping_in(server, "variables") if isinstance(server, dict) else {})
        return {
            name: _host_param(variables.get(name)) for name in PLACEHOLDER.findall(self.base_url)
        }

    def check(self, item: Holder, operation: Holder) -> None:
        """Let an operation pass that is at the base URL.

        A base URL that the file does not know stands for its server.

        :raises UnsayableError: it is at another server.
        """
        own = self._own_servers(item, operation)
        if not own:
            if self._is_operations:
                raise OtherServerError(self._first_url)
            return
        if any(map(self._is_at_base_url, own)):
            return
        url = own[0].url
        if not url:
            raise UnsayableError("at a server of its own; which has no URL")
        raise UnsayableError(
            f"at a server of its own; import it with --base-url {url}, as another service"
        )

    def _is_at_base_url(self, server: Server) -> bool:
        if self._is_operations:
            return server.matches(self.base_url)
        if self._is_files:
            return server.url == self.base_url
        return server.url == self._first_url

    def _own_servers(self, item: Holder, operation: Holder) -> list[Server]:
        return _servers_in(operation, self._first_url) or _servers_in(item, self._first_url)


def _host_param(variable: Any) -> dict[str, Any]:
    """Return one of the values that the file lists, else any label of a host's name."""
    values = list_in(variable, "enum") if isinstance(variable, dict) else []
    if values and all(isinstance(value, str) and LABEL.fullmatch(value) for value in values):
        return {"type": "string", "enum": values}
    return {"type": "string", "pattern": ANY_LABEL}


def _file_servers(spec: Spec) -> list[Server]:
    if spec.swagger:
        return [Server({"url": _swagger_url(spec.root)})]
    return _servers_in(spec.root)


def _servers_in(holder: Holder, base: str = "") -> list[Server]:
    return [Server(server, base) for server in list_in(holder, "servers")]


def _swagger_url(root: Holder) -> str:
    host = root.get("host")
    if not host:
        return ""
    schemes = list_in(root, "schemes")
    scheme = schemes[0] if schemes and "https" not in schemes else "https"
    return f"{scheme}://{host}{root.get('basePath') or ''}"


def _check_url(url: str) -> str:
    """Return the URL without a slash at its end.

    :raises SpecError: it cannot be called.
    """
    if not url:
        raise SpecError("it names no server; give --base-url")
    try:
        if "${" in url:
            raise ValidationError("asks for a variable")
        usable_base_url(url)
    except ValidationError as error:
        raise SpecError(
            f"its server, {url!r}, is no http(s) URL that can be called; give --base-url"
        ) from error
    return url.rstrip("/")
