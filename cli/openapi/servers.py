"""Where the operations are: at the file's server, or at servers that paths and operations name for themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urljoin

from marshmallow import ValidationError

from cli.openapi.source import Spec, SpecError, UnsayableError
from schemas.catalog_fields import usable_url

_VARIABLE = re.compile(r"\{([^{}]*)\}")
Holder = Mapping[str, Any]


class ElsewhereError(UnsayableError):
    """An operation is at the file's server, and another one is imported."""


class Server:
    """One of ``servers``.

    :ivar url: with its variables' defaults, without a slash at its end.
    """

    def __init__(self, server: Any, base: str = "") -> None:
        template = str(server.get("url", "")) if isinstance(server, dict) else ""
        variables = server.get("variables") if isinstance(server, dict) else None
        defaults = {
            str(name): str(variable.get("default", ""))
            for name, variable in (variables if isinstance(variables, dict) else {}).items()
            if isinstance(variable, dict)
        }
        url = _VARIABLE.sub(lambda match: defaults.get(match[1], match[0]), template)
        self.url = (urljoin(f"{base}/", url) if base and url else url).rstrip("/")
        self._pattern = re.compile(
            "[^/?#]*".join(map(re.escape, _VARIABLE.split(template.rstrip("/"))[::2]))
        )

    def fits(self, url: str) -> bool:
        """Whether it is that URL, with whatever its variables may be."""
        return url == self.url or bool(self._pattern.fullmatch(url))


class Servers:
    """Tells which operations are at the service's base URL.

    :param operations: path item and operation of each.
    :param base_url: that of the service; unless given, the file's first server or, where no operation is there, the one
        that most of them name.
    :ivar base_url: without a slash at its end.
    :raises SpecError: there is no base URL that can be called.
    """

    def __init__(
        self, spec: Spec, operations: Iterable[tuple[Holder, Holder]], base_url: str | None
    ) -> None:
        self._file = (
            [Server({"url": _swagger_url(spec.root)})] if spec.swagger else _servers(spec.root)
        )
        self._first = self._file[0].url if self._file else ""
        by_operation = [self._own(item, operation) for item, operation in operations]
        own = [server for servers in by_operation for server in servers]
        if own and all(by_operation) and not any(server.url == self._first for server in own):
            counts = Counter(server.url for server in own)
            self._first = counts.most_common(1)[0][0]
            self._file = [Server({"url": self._first})]
        self.base_url = _usable(base_url or self._first)
        self._at_file = any(server.fits(self.base_url) for server in self._file)
        self._at_own = not self._at_file and any(server.fits(self.base_url) for server in own)

    def check(self, item: Holder, operation: Holder) -> None:
        """Let an operation pass that is at the base URL.

        A base URL that the file does not know stands for its server.

        :raises UnsayableError: it is at another server.
        """
        own = self._own(item, operation)
        if not own:
            if self._at_own:
                raise ElsewhereError(self._first)
            return
        if not any(map(self._is_here, own)):
            advice = (
                f"import it with --base-url {own[0].url}, as another service"
                if own[0].url
                else "which has no URL"
            )
            raise UnsayableError(f"at a server of its own; {advice}")

    def _is_here(self, server: Server) -> bool:
        if self._at_own:
            return server.fits(self.base_url)
        return server.url == (self.base_url if self._at_file else self._first)

    def _own(self, item: Holder, operation: Holder) -> list[Server]:
        """The operation's servers, else its path's."""
        return _servers(operation, self._first) or _servers(item, self._first)


def _servers(holder: Holder, base: str = "") -> list[Server]:
    servers = holder.get("servers")
    return [Server(server, base) for server in servers] if isinstance(servers, list) else []


def _swagger_url(root: Holder) -> str:
    schemes = root.get("schemes")
    schemes = schemes if isinstance(schemes, list) and schemes else ["https"]
    scheme = "https" if "https" in schemes else schemes[0]
    host = root.get("host")
    return f"{scheme}://{host}{root.get('basePath') or ''}" if host else ""


def _usable(url: str) -> str:
    try:
        if "${" in url:
            raise ValidationError("asks for a variable")
        usable_url(url)
    except ValidationError as error:
        wrong = (
            f"its server, {url!r}, is no http(s) URL that can be called"
            if url
            else "it names no server"
        )
        raise SpecError(f"{wrong}; give --base-url") from error
    return url.rstrip("/")
