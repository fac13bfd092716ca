"""The file's operations as methods."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.openapi.arguments import Arguments
from cli.openapi.keywords import Keywords
from cli.openapi.merging import Merger
from cli.openapi.naming import Names, bare, best_response, response_of, snake
from cli.openapi.servers import ElsewhereError, Servers
from cli.openapi.source import Spec, UnsayableError
from cli.openapi.yaml_writer import Commented, first_line, one_line
from cli.output import show_progress
from gateway.catalog.schema import VERBS

_PATH = re.compile(r"/[!\x22$->@-~]*")
EVENTS = "text/event-stream"


@dataclass(frozen=True)
class Operation:
    """One of the file, without references."""

    path: str
    item: Mapping[str, Any]
    verb: str
    values: Mapping[str, Any]

    @property
    def http(self) -> str:
        return f"{self.verb} {self.path}"

    @property
    def tags(self) -> frozenset[str]:
        tags = self.values.get("tags")
        return frozenset(map(str, tags)) if isinstance(tags, list) else frozenset()


class Operations:
    """Makes the methods.

    :ivar skipped: what is left out, and why.
    :ivar elsewhere: how many are left out because they are at this server.
    :ivar lost: what is not carried over, by keyword.
    """

    def __init__(self, spec: Spec, tags: Collection[str]) -> None:
        self.spec = spec
        self.skipped: list[str] = []
        self.elsewhere: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self._keywords, self._names = Keywords(Merger(spec, self.lost)), Names()
        operations = list(self._all())
        self.known_tags = frozenset(tag for operation in operations for tag in operation.tags)
        self.all = [
            operation for operation in operations if not tags or operation.tags.intersection(tags)
        ]

    def methods(self, servers: Servers, implied: frozenset[str]) -> dict[str, Commented]:
        """Name -> method.

        :param implied: names of parameters that the credential fills.
        """
        made = {}
        for operation in show_progress(self.all, "operations"):
            try:
                method = self._method(operation, servers, implied)
            except ElsewhereError as error:
                self.elsewhere[str(error)] += 1
                continue
            except UnsayableError as error:
                self.skipped.append(f"{operation.http}: {error}")
                continue
            name = snake(str(operation.values.get("operationId") or "")) or snake(operation.http)
            made[self._names.unique(name)] = method
        return made

    def _all(self) -> Iterator[Operation]:
        """Path items and operations may be references."""
        for key, value in self.spec.at("paths").items():
            path = str(key).partition("#")[0]  # which tells apart what is one address
            try:
                item = self.spec.follow(value)
            except UnsayableError as error:
                self.skipped.append(f"{key}: {error}")
                continue
            for verb in VERBS:
                if verb.lower() not in item:
                    continue
                try:
                    yield Operation(path, item, verb, self.spec.follow(item[verb.lower()]))
                except UnsayableError as error:
                    self.skipped.append(f"{verb} {path}: {error}")
            if "trace" in item:
                self.skipped.append(f"TRACE {path}: not a verb that a method can have")

    def _method(self, operation: Operation, servers: Servers, implied: frozenset[str]) -> Commented:
        path, values = operation.path, operation.values
        if not _PATH.fullmatch(path) or "${" in path:
            raise UnsayableError("not a path that a method can have")
        servers.check(operation.item, values)
        self._check_success(values)
        arguments = Arguments(self._keywords, self.spec, (operation.verb, path), implied)
        arguments.read(operation.item, values)
        params, settings = arguments.params(), arguments.settings
        made = Commented({"http": operation.http}, *arguments.notes)
        if values.get("deprecated") is True:
            made.notes.append("deprecated by the vendor")
        if summary := first_line(values.get("summary")) or first_line(values.get("description")):
            made["summary"] = summary
        self._answer(values, settings)
        return Commented(
            {**made, **settings, **({"params": params} if params else {})}, *made.notes
        )

    def _check_success(self, operation: Mapping[str, Any]) -> None:
        """:raises UnsayableError: whatever it answers would be a failure here."""
        responses = operation.get("responses")
        statuses = sorted(map(str, responses)) if isinstance(responses, dict) else []
        redirects = [status for status in statuses if status[:1] == "3" and status != "304"]
        if redirects and not any(status[:1] == "2" for status in statuses):
            raise UnsayableError(
                f"its success is a redirect ({redirects[0]}), which a method does not follow; proxy: true passes it on"
            )

    def _answer(self, operation: Mapping[str, Any], settings: dict[str, Any]) -> None:
        medias = self._medias(operation)
        media = best_response(medias)
        if media is None:
            return
        if bare(media) == EVENTS:
            settings["stream"] = True
        if (kind := response_of(media)) != "json":
            settings["response"] = kind
        if len({bare(each) for each in medias}) > 1:  # or the vendor would choose
            settings["headers"] = {**settings.get("headers", {}), "Accept": media}

    def _medias(self, operation: Mapping[str, Any]) -> list[str]:
        """What a success is written in."""
        responses = operation.get("responses")
        responses = responses if isinstance(responses, dict) else {}
        good = sorted((str(key), each) for key, each in responses.items() if str(key)[:1] == "2")
        good += [("default", responses["default"])] if not good and "default" in responses else []
        for _, each in good:
            try:
                content = self.spec.follow(each).get("content")
            except UnsayableError:
                continue
            if self.spec.swagger:
                content = operation.get("produces", self.spec.root.get("produces"))
            if isinstance(content, dict | list) and content:
                return [one_line(str(media), 100) for media in content]
        return []
