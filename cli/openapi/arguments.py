"""One operation's parameters and body as a method's ``params``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cli.openapi.keywords import Keywords
from cli.openapi.merging import kind_of, listed, writable
from cli.openapi.naming import bare, best_body, body_of
from cli.openapi.source import Spec, UnsayableError
from cli.openapi.yaml_writer import Commented, one_line
from gateway.bodies.xml import XML_NAME
from gateway.catalog.loader import IN_QUERY
from schemas.catalog_fields import SETTABLE_HEADER
from schemas.params import value_problems

OURS = frozenset({"accept", "content-type", "authorization", "user-agent", "x-request-id"})
FILE = "a file: filename, content_type, base64"
_SEPARATED = {
    "ssv": "spaces",
    "tsv": "tabs",
    "pipes": "|",
    "spaceDelimited": "spaces",
    "pipeDelimited": "|",
}
Operation = Mapping[str, Any]


class Arguments:
    """Gathers what one operation takes; ``notes`` are about what it cannot.

    :param implied: names of parameters that the credential fills.
    :raises UnsayableError: no call of it could ever be right.
    """

    def __init__(
        self, keywords: Keywords, spec: Spec, http: tuple[str, str], implied: frozenset[str]
    ) -> None:
        self.keywords, self.spec, self.implied = keywords, spec, implied
        self.verb, self.template = http
        self.notes: list[str] = []
        self.settings: dict[str, Any] = {}
        self._schemas: dict[str, tuple[Any, bool]] = {}
        self._places: dict[str, str] = {}

    def read(self, path_item: Operation, operation: Operation) -> None:
        given: dict[tuple[str, str], Mapping[str, Any]] = {}
        for holder in (path_item, operation):
            parameters = holder.get("parameters")
            for each in parameters if isinstance(parameters, list) else ():
                try:
                    found = self.spec.follow(each)
                    given[(str(found.get("in")), str(found.get("name")))] = found
                except UnsayableError as error:
                    self.notes.append(f"without a parameter: {error}")
        form = [param for (place, _), param in given.items() if place == "formData"]
        for (place, _), param in given.items():
            if place not in ("body", "formData"):
                self._parameter(param)
        for hole in re.findall(r"\{([^{}]*)\}", self.template):
            self._take(hole, "path", {"type": "string"}, required=True)
        self._body(
            operation,
            form,
            next((each for (place, _), each in given.items() if place == "body"), None),
        )

    def params(self) -> dict[str, Commented]:
        """Name -> keywords, with ``in`` where the place is not plain."""
        made = {}
        for name, said in self.keywords.params(self._schemas).items():
            place = self._places[name]
            usual = (
                "path"
                if f"{{{name}}}" in self.template
                else "query"
                if self.verb in IN_QUERY
                else "body"
            )
            schema = self._schemas[name][0]
            if place in ("query", "header") and isinstance(schema, dict) and "default" in schema:
                self._default(said, schema["default"])
            extra = {} if place == usual else {"in": place}
            made[name] = Commented({"type": said.pop("type"), **extra, **said}, *said.notes)
        return made

    def _default(self, said: Commented, default: object) -> None:
        """Only outside bodies: there it would be sent, and in a PATCH it would overwrite."""
        if isinstance(default, str) and "${" in default:
            return
        if (
            "required" not in said
            and isinstance(default, str | int | bool)
            and not value_problems(said, default)
        ):
            said["default"] = default

    def _take(self, name: object, place: str, schema: Any, *, required: bool) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"\S+", name):
            self.notes.append(
                f"without {place} parameter {one_line(str(name), 60)!r}: not a usable name"
            )
        elif name not in self._places:
            self._places[name] = place
            self._schemas[name] = (schema, required and place != "path")
            if isinstance(schema, dict) and schema.get("format") == "password" and "${" not in name:
                self.settings.setdefault("mask", []).append(name)
        elif (place, self._places[name]) != ("path", "path"):
            self.notes.append(
                f"without {place} parameter {name}: one in the {self._places[name]} has that name"
            )

    def _parameter(self, param: Mapping[str, Any]) -> None:
        place, name = param.get("in"), param.get("name")
        low = str(name).lower()
        if place == "header" and low == "idempotency-key":
            self.settings["idempotency_header"] = name
        elif (place == "header" and low in OURS) or low in self.implied:
            return
        elif place == "path" and f"{{{name}}}" not in self.template:
            self.notes.append(f"without path parameter {name}: the path has no such place")
        elif place == "header" and not re.fullmatch(SETTABLE_HEADER, str(name)):
            self.notes.append(f"without header {name}: not one that a parameter may have")
        elif place in ("path", "query", "header"):
            self._simple(param, str(place))
        else:
            self.notes.append(f"without {place} parameter {name}")

    def _simple(self, param: Mapping[str, Any], place: str) -> None:
        name, required = param.get("name"), param.get("required") is True
        schema = param.get("schema")
        if self.spec.swagger:
            schema = {
                key: value for key, value in param.items() if key not in ("required", "name", "in")
            }
        elif not isinstance(schema, dict):
            schema = (
                {"type": "string", "x-note": "JSON text"}
                if "content" in param
                else {"type": "string"}
            )
        schema = {**schema, "description": param.get("description", schema.get("description"))}
        kind, plain = self._looked_at(schema)
        style = param.get("collectionFormat" if self.spec.swagger else "style")
        if kind == "object" and style == "deepObject":
            self._flat(name, plain, place)
        elif kind == "array" and style == "deepObject":
            self._nested(str(name), schema, place, 1)
        elif kind == "array" and not self._repeats(param, place):
            text = f"list in one text, separated by {_SEPARATED.get(str(style), 'commas')}"
            self._take(name, place, {"type": "string", "x-note": text}, required=required)
        elif kind == "object" and (place != "query" or not plain.get("properties")):
            self._take(
                name,
                place,
                {"type": "string", "description": schema["description"]},
                required=required,
            )
        else:
            self._take(name, place, schema, required=required)

    def _repeats(self, param: Mapping[str, Any], place: str) -> bool:
        """Whether a list is sent as its name repeated, which is how a catalog does it."""
        if self.spec.swagger:
            return param.get("collectionFormat") == "multi"
        return (
            place == "query"
            and param.get("style", "form") == "form"
            and param.get("explode", True) is not False
        )

    def _looked_at(self, schema: Any) -> tuple[str, dict[str, Any]]:
        try:
            plain, _ = self.keywords.merger.plain(schema)
        except UnsayableError:
            return "object", {}
        return kind_of(plain), plain

    def _flat(self, name: object, plain: Mapping[str, Any], place: str, depth: int = 2) -> None:
        """An object as ``name[property]`` (deepObject), as deep as two levels."""
        properties = writable(plain)
        if not properties:
            self.notes.append(f"without {place} parameter {name}[...]: any names")
        for each, schema in properties.items():
            self._nested(f"{name}[{each}]", schema, place, depth - 1)

    def _nested(self, name: str, schema: Any, place: str, depth: int) -> None:
        kind, plain = self._looked_at(schema)
        if kind == "object" and depth:
            self._flat(name, plain, place, depth)
        elif kind == "array" and self._looked_at(plain.get("items"))[0] not in ("object", "array"):
            self._take(f"{name}[]", place, schema, required=False)
        elif kind in ("object", "array"):
            self.notes.append(f"without {place} parameter {name}[...]: nested too deeply")
        else:
            self._take(name, place, schema, required=False)

    def _body(
        self, operation: Operation, form: list[Mapping[str, Any]], single: Mapping[str, Any] | None
    ) -> None:
        if not self.spec.swagger:
            self._content(operation.get("requestBody"))
        elif form:
            consumes = self._consumes(operation)
            files = any(each.get("type") == "file" for each in form)
            self.settings["body"] = (
                "multipart" if files or best_body(consumes) == "multipart/form-data" else "form"
            )
            for each in form:
                self._form_field(
                    {**each, "type": "object", "x-note": FILE}
                    if each.get("type") == "file"
                    else each
                )
        elif single is not None:
            media = best_body(self._consumes(operation)) or "application/json"
            self._fields(single.get("schema"), media, {}, single.get("required"))

    def _form_field(self, field: Mapping[str, Any]) -> None:
        schema = {
            key: value for key, value in field.items() if key not in ("required", "name", "in")
        }
        self._take(field.get("name"), "body", schema, required=field.get("required") is True)

    def _consumes(self, operation: Operation) -> Iterator[str]:
        given = operation.get("consumes", self.spec.root.get("consumes"))
        return (
            each for each in (given if isinstance(given, list) else ()) if isinstance(each, str)
        )

    def _content(self, body: Any) -> None:
        if body is None:
            return
        body = self.spec.follow(body)
        content = body.get("content")
        media = best_body(map(str, content)) if isinstance(content, dict) else None
        if media is not None and isinstance(content[media], dict):
            encoding = content[media].get("encoding")
            encoding = encoding if isinstance(encoding, dict) else {}
            self._fields(content[media].get("schema"), media, encoding, body.get("required"))

    def _fields(
        self, schema: Any, media: str, encoding: Mapping[str, Any], required: object
    ) -> None:
        """The body's properties as params.

        :param required: of the body, as the file says it. Most files say nothing where a body is needed all the same,
            so that only ``false`` makes the fields that it must have ones that may be missing.
        """
        kind = body_of(media)
        if kind != "json":
            self.settings["body"] = kind
        if kind == "raw" or (kind == "json" and bare(media) not in ("application/json", "*/*")):
            self.settings["headers"] = {"Content-Type": media}
        if kind == "raw":
            text = (
                {"type": "string"}
                if bare(media).startswith("text/")
                else {"type": "string", "format": "binary"}
            )
            self._take(
                "body",
                "body",
                {**text, "x-note": f"the whole body, {media}"},
                required=required is True,
            )
            return
        plain, _ = self.keywords.merger.plain(schema)
        if kind_of(plain) != "object":
            raise UnsayableError(
                f"its body is of type {kind_of(plain)}, and params are an object's properties"
            )
        root = plain.get("xml", {}).get("name") if isinstance(plain.get("xml"), dict) else None
        if kind == "xml" and re.fullmatch(XML_NAME, str(root or "")):
            self.settings["body"] = {"type": "xml", "root": root}
        properties = writable(plain)
        if not properties or plain.get("additionalProperties"):
            self.notes.append("the body takes any other properties, too; declare those you send")
        needed = [name for name in properties if name in listed(plain, "required")]
        if needed and required is False:
            self.notes.append(
                f"a call without a body is one, too; a body needs {', '.join(needed[:10])}"
            )
            needed = []
        for name, each in properties.items():
            deep = (
                isinstance(encoding.get(name), dict) and encoding[name].get("style") == "deepObject"
            )
            if kind == "form" and deep:
                self._nested(name, each, "body", 2)
            else:
                part = self._file(each) if kind == "multipart" else each
                self._take(name, "body", part, required=name in needed)

    def _file(self, schema: Any) -> Any:
        """A part of bytes is a file; 3.1 says so by a content type, or by saying nothing at all."""
        _, plain = self._looked_at(schema)
        if plain.get("format") == "binary" or "contentMediaType" in plain or plain == {}:
            return {"type": "object", "description": plain.get("description"), "x-note": FILE}
        return schema
