"""The file's operations as methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from marshmallow import ValidationError

from cli.openapi.answers import Answers
from cli.openapi.arguments import Arguments
from cli.openapi.keywords import Keywords
from cli.openapi.merging import Merger
from cli.openapi.naming import bare, best_response, response_of, snake, unique
from cli.openapi.pagination import Paginations
from cli.openapi.servers import OtherServerError, Servers
from cli.openapi.source import Spec, UnsayableError, list_in, mapping_in
from cli.openapi.yaml_writer import Commented, first_line, one_line
from cli.output import show_progress
from gateway.catalog.verb_and_path import VERBS, verb_and_path

EVENT_STREAM = "text/event-stream"
BYTES = "application/octet-stream"
MAX_MEDIA_CHARACTERS = 100


@dataclass(frozen=True)
class Operation:
    """One operation of the file, without references."""

    path: str
    item: Mapping[str, Any]
    verb: str
    values: Mapping[str, Any]

    @property
    def http(self) -> str:
        return f"{self.verb} {self.path}"

    @property
    def tags(self) -> frozenset[str]:
        return frozenset(map(str, list_in(self.values, "tags")))


class Operations:
    """Makes methods of the file's operations.

    :ivar skipped: what is left out, and why.
    :ivar at_other_servers: how many are left out because they are at this server.
    :ivar dropped: what is not carried over, by keyword.
    """

    def __init__(self, spec: Spec, tags: Collection[str]) -> None:
        self.spec = spec
        self.skipped: list[str] = []
        self.at_other_servers: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self._keywords = Keywords(Merger(spec, self.dropped))
        self._answers = Answers(spec)
        self._paginations = Paginations(spec, self._answers)
        operations = list(self._read())
        self.all_tags = frozenset(tag for operation in operations for tag in operation.tags)
        self.selected = [
            operation for operation in operations if not tags or operation.tags.intersection(tags)
        ]

    def methods(self, servers: Servers, implied: Container[str]) -> dict[str, Commented]:
        """Return methods by name; parameters of implied names are filled by the credential."""
        methods: dict[str, Commented] = {}
        for operation in show_progress(self.selected, "operations"):
            try:
                method = self._method(operation, servers, implied)
            except OtherServerError as error:
                self.at_other_servers[str(error)] += 1
                continue
            except UnsayableError as error:
                self.skipped.append(f"{operation.http}: {error}")
                continue
            name = snake(str(operation.values.get("operationId") or "")) or snake(operation.http)
            methods[unique(name, methods)] = method
        return methods

    def _read(self) -> Iterator[Operation]:
        """Yield the file's operations. Path items and operations may be references."""
        for key, value in self.spec.at("paths").items():
            path = str(key).partition("#")[0]  # a fragment tells apart what is one address
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

    def _method(self, operation: Operation, servers: Servers, implied: Container[str]) -> Commented:
        """:raises UnsayableError: a catalog cannot say it."""
        path = operation.path
        values = operation.values
        _check_path(operation)
        servers.check(operation.item, values)
        _check_success(values)
        reader = Arguments(self._keywords, self.spec, (operation.verb, path), implied)
        arguments = reader.read(operation.item, values)
        params = arguments.render()
        method = Commented({"http": operation.http}, *arguments.notes)
        if values.get("deprecated") is True:
            method.notes.append("deprecated by the vendor")
        if summary := first_line(values.get("summary")) or first_line(values.get("description")):
            method["summary"] = summary
        method.update(arguments.settings)
        self._add_response(method, values)
        if params:
            method["params"] = params
        is_json = "stream" not in method and "response" not in method
        if is_json and (returns := self._answers.returns(values)):
            method["returns"] = returns
        if headers := self._answers.headers(values):
            method["response_headers"] = headers
        if is_json and (paginate := self._paginations.find(values, params)):
            method["paginate"] = paginate
        return method

    def _add_response(self, method: Commented, operation: Mapping[str, Any]) -> None:
        medias = self._success_medias(operation)
        media = best_response(medias)
        if media is None:
            return
        if bare(media) == EVENT_STREAM:
            method["stream"] = True
        kind = response_of(media)
        if kind != "json":
            method["response"] = kind
        if len({bare(name) for name in medias}) > 1:  # or the vendor would choose
            method["headers"] = {**method.get("headers", {}), "Accept": media}

    def _success_medias(self, operation: Mapping[str, Any]) -> list[str]:
        """Return the media types of the first success that has a body."""
        for response in self._answers.successes(operation):
            content = response.get("content")
            if self.spec.swagger:
                content = operation.get("produces", self.spec.root.get("produces"))
                if mapping_in(response, "schema").get("type") == "file":
                    content = _file_medias(content)
            if isinstance(content, dict):
                content = [self._media(str(media), value) for media, value in content.items()]
            if isinstance(content, list) and content:
                return [one_line(str(media), MAX_MEDIA_CHARACTERS) for media in content]
        return []

    def _media(self, media: str, value: Any) -> str:
        """Return the type of an answer; that of bytes where springdoc has ``*/*`` for a file."""
        schema = mapping_in(value, "schema") if isinstance(value, dict) else {}
        if response_of(media) == "json" and schema.get("format") == "binary":
            return BYTES
        return media


def _file_medias(produces: object) -> list[Any]:
    """Return the types of an answer that is a file; JSON beside them is what failures have."""
    medias = produces if isinstance(produces, list) else []
    return [media for media in medias if response_of(str(media)) != "json"] or [BYTES]


def _check_path(operation: Operation) -> None:
    """:raises UnsayableError: a method cannot have the path."""
    try:
        verb_and_path(operation.http)
    except ValidationError as error:
        raise UnsayableError("not a path that a method can have") from error
    if "${" in operation.path:
        raise UnsayableError("not a path that a method can have")


def _check_success(operation: Mapping[str, Any]) -> None:
    """:raises UnsayableError: whatever it answers would be a failure here."""
    statuses = sorted(map(str, mapping_in(operation, "responses")))
    redirects = [status for status in statuses if status.startswith("3") and status != "304"]
    if redirects and not any(status.startswith("2") for status in statuses):
        raise UnsayableError(
            f"its success is a redirect ({redirects[0]}), which a method does not follow; "
            "proxy: true passes it on"
        )
