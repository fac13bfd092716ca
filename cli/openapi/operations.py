"""The file's operations as methods."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from cli.openapi.arguments import Arguments
from cli.openapi.keywords import Keywords
from cli.openapi.media import bare, best_response, response_of
from cli.openapi.merging import Merger
from cli.openapi.naming import Names, snake
from cli.openapi.source import Spec, UnsayableError
from cli.openapi.written import Noted, first_line, one_line
from cli.progress import shown
from schemas.catalog import VERBS

_PATH = re.compile(r"/[!\x22$->@-~]*")
EVENTS = "text/event-stream"


class Operations:
    """Makes the methods; what came of the rest is in ``skipped`` and ``lost``."""

    def __init__(self, spec: Spec, tags: Collection[str], implied: frozenset[str]) -> None:
        self.spec, self.tags, self.implied = spec, frozenset(tags), implied
        self.skipped: list[str] = []
        self.lost: Counter[str] = Counter()
        self.known_tags: set[str] = set()
        self._keywords, self._names = Keywords(Merger(spec, self.lost)), Names()

    def methods(self) -> dict[str, Noted]:
        made = {}
        for path, item, verb, operation in self._all():
            tags = operation.get("tags")
            tags = {str(tag) for tag in tags} if isinstance(tags, list) else set()
            self.known_tags |= tags
            if self.tags and not tags & self.tags:
                continue
            try:
                method = self._method(path, item, verb, operation)
            except UnsayableError as error:
                self.skipped.append(f"{verb} {path}: {error}")
                continue
            name = snake(str(operation.get("operationId") or "")) or snake(f"{verb.lower()} {path}")
            made[self._names.unique(name)] = method
        return made

    def _all(self) -> Iterator[tuple[str, Mapping[str, Any], str, Mapping[str, Any]]]:
        for path, value in shown(self.spec.at("paths").items(), "paths"):
            try:
                item = self.spec.follow(value)
            except UnsayableError as error:
                self.skipped.append(f"{path}: {error}")
                continue
            for verb in VERBS:
                operation = item.get(verb.lower())
                if isinstance(operation, dict):
                    yield str(path), item, verb, operation

    def _method(self, path: str, item: Mapping[str, Any], verb: str, operation: Mapping[str, Any]) -> Noted:
        if not _PATH.fullmatch(path) or "${" in path:
            raise UnsayableError("not a path that a method can have")
        if operation.get("servers") or item.get("servers"):
            raise UnsayableError("at a server of its own; import it with --base-url, as another service")
        arguments = Arguments(self._keywords, self.spec, (verb, path), self.implied)
        arguments.read(item, operation)
        params, settings = arguments.params(), arguments.settings
        made = Noted({"http": f"{verb} {path}"}, *arguments.notes)
        if operation.get("deprecated") is True:
            made.notes.append("deprecated by the vendor")
        if summary := first_line(operation.get("summary")) or first_line(operation.get("description")):
            made["summary"] = summary
        self._answer(operation, settings)
        return Noted({**made, **settings, **({"params": params} if params else {})}, *made.notes)

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
