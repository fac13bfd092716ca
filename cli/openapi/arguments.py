"""One operation's parameters and body as a method's ``params``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.openapi.keywords import Keywords
from cli.openapi.merging import type_of, writable_properties
from cli.openapi.naming import bare, best_body, body_of
from cli.openapi.source import Spec, UnsayableError, list_in, mapping_in
from cli.openapi.yaml_writer import Commented, one_line
from gateway.bodies.xml import XML_NAME
from gateway.catalog.loader import IN_QUERY
from schemas.catalog_fields import SETTABLE_HEADER
from schemas.params import value_problems

GATEWAY_HEADERS = frozenset(
    {"accept", "content-type", "authorization", "user-agent", "x-request-id"}
)
FILE_NOTE = "a file: filename, content_type, base64"
MAX_NAME_CHARACTERS = 60  # in a note
MAX_NAMES_IN_NOTE = 10
DEEP_OBJECT_LEVELS = 2
_SEPARATORS = {
    "ssv": "spaces",
    "tsv": "tabs",
    "pipes": "|",
    "spaceDelimited": "spaces",
    "pipeDelimited": "|",
}
_NOT_SCHEMA = ("required", "name", "in")
Operation = Mapping[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class _Parameter:
    place: str
    schema: Any
    required: bool


class Arguments:
    """Gathers what one operation takes; ``notes`` are about what it cannot.

    :param implied: names of parameters that the credential fills.
    :raises UnsayableError: no call of it could ever be right.
    """

    def __init__(
        self, keywords: Keywords, spec: Spec, http: tuple[str, str], implied: frozenset[str]
    ) -> None:
        self.keywords = keywords
        self.spec = spec
        self.implied = implied
        self.verb, self.template = http
        self.notes: list[str] = []
        self.settings: dict[str, Any] = {}
        self._params: dict[str, _Parameter] = {}

    def read(self, path_item: Operation, operation: Operation) -> None:
        """Read the parameters of the path and the operation, then the body."""
        form: list[Values] = []
        body: Values | None = None
        for (place, _), parameter in self._parameters(path_item, operation).items():
            if place == "formData":
                form.append(parameter)
            elif place == "body":
                body = body or parameter
            else:
                self._add_parameter(parameter)
        for name in re.findall(r"\{([^{}]*)\}", self.template):
            self._add(name, "path", {"type": "string"}, required=True)
        if not self.spec.swagger:
            self._read_content(operation.get("requestBody"))
        elif form:
            self._read_form(form, operation)
        elif body is not None:
            media = best_body(self._consumes(operation)) or "application/json"
            self._read_fields(body.get("schema"), media, {}, body.get("required"))

    def params(self) -> dict[str, Commented]:
        """Return keywords by name, with ``in`` where the place is not plain."""
        params = {}
        schemas = {name: (param.schema, param.required) for name, param in self._params.items()}
        for name, keywords in self.keywords.params(schemas).items():
            place = self._params[name].place
            schema = self._params[name].schema
            if place in ("query", "header") and isinstance(schema, dict) and "default" in schema:
                _add_default(keywords, schema["default"])
            param = Commented({"type": keywords.pop("type")}, *keywords.notes)
            if place != self._usual_place(name):
                param["in"] = place
            param.update(keywords)
            params[name] = param
        return params

    def _usual_place(self, name: str) -> str:
        """Return where a catalog puts a parameter that has no ``in``."""
        if f"{{{name}}}" in self.template:
            return "path"
        if self.verb in IN_QUERY:
            return "query"
        return "body"

    def _add(self, name: object, place: str, schema: Any, *, required: bool) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"\S+", name):
            text = one_line(str(name), MAX_NAME_CHARACTERS)
            self.notes.append(f"without {place} parameter {text!r}: not a usable name")
            return
        if name in self._params:
            first_place = self._params[name].place
            if (place, first_place) != ("path", "path"):
                self.notes.append(
                    f"without {place} parameter {name}: one in the {first_place} has that name"
                )
            return
        self._params[name] = _Parameter(place, schema, required and place != "path")
        if isinstance(schema, dict) and schema.get("format") == "password" and "${" not in name:
            self.settings.setdefault("mask", []).append(name)

    # --- parameters

    def _parameters(
        self, path_item: Operation, operation: Operation
    ) -> dict[tuple[str, str], Values]:
        """Return the parameters by place and name; the operation's replace those of its path."""
        parameters: dict[tuple[str, str], Values] = {}
        for holder in (path_item, operation):
            for value in list_in(holder, "parameters"):
                try:
                    parameter = self.spec.follow(value)
                except UnsayableError as error:
                    self.notes.append(f"without a parameter: {error}")
                    continue
                parameters[(str(parameter.get("in")), str(parameter.get("name")))] = parameter
        return parameters

    def _add_parameter(self, param: Values) -> None:
        place = param.get("in")
        name = param.get("name")
        lower_name = str(name).lower()
        if place == "header" and lower_name == "idempotency-key":
            self.settings["idempotency_header"] = name
        elif (place == "header" and lower_name in GATEWAY_HEADERS) or lower_name in self.implied:
            return
        elif place == "path" and f"{{{name}}}" not in self.template:
            self.notes.append(f"without path parameter {name}: the path has no such place")
        elif place == "header" and not re.fullmatch(SETTABLE_HEADER, str(name)):
            self.notes.append(f"without header {name}: not one that a parameter may have")
        elif place in ("path", "query", "header"):
            self._add_usable_parameter(param, str(place))
        else:
            self.notes.append(f"without {place} parameter {name}")

    def _add_usable_parameter(self, param: Values, place: str) -> None:
        name = param.get("name")
        required = param.get("required") is True
        schema = self._parameter_schema(param)
        kind, flat = self._flatten(schema)
        style = param.get("collectionFormat" if self.spec.swagger else "style")
        if kind == "object" and style == "deepObject":
            self._add_object(name, flat, place)
            return
        if kind == "array" and style == "deepObject":
            self._add_nested(str(name), schema, place, 1)
            return
        if kind == "array" and not self._is_repeated(param, place):
            separator = _SEPARATORS.get(str(style), "commas")
            note = f"list in one text, separated by {separator}"
            schema = {"type": "string", "x-note": note}
        elif kind == "object" and (place != "query" or not flat.get("properties")):
            schema = {"type": "string", "description": schema["description"]}
        self._add(name, place, schema, required=required)

    def _parameter_schema(self, param: Values) -> dict[str, Any]:
        schema = param.get("schema")
        if self.spec.swagger:
            schema = _without(param, _NOT_SCHEMA)
        elif not isinstance(schema, dict):
            schema = {"type": "string"}
            if "content" in param:
                schema["x-note"] = "JSON text"
        return {**schema, "description": param.get("description", schema.get("description"))}

    def _is_repeated(self, param: Values, place: str) -> bool:
        """Tell whether a list is sent as its name repeated, which is how a catalog does it."""
        if self.spec.swagger:
            return param.get("collectionFormat") == "multi"
        return (
            place == "query"
            and param.get("style", "form") == "form"
            and param.get("explode", True) is not False
        )

    def _flatten(self, schema: Any) -> tuple[str, dict[str, Any]]:
        """Return a schema's type and the schema without references."""
        try:
            flat, _ = self.keywords.merger.flatten(schema)
        except UnsayableError:
            return "object", {}
        return type_of(flat), flat

    def _add_object(
        self, name: object, schema: Values, place: str, levels: int = DEEP_OBJECT_LEVELS
    ) -> None:
        """Add an object as ``name[property]`` (deepObject), so many levels deep."""
        properties = writable_properties(schema)
        if not properties:
            self.notes.append(f"without {place} parameter {name}[...]: any names")
        for key, value in properties.items():
            self._add_nested(f"{name}[{key}]", value, place, levels - 1)

    def _add_nested(self, name: str, schema: Any, place: str, levels: int) -> None:
        kind, flat = self._flatten(schema)
        if kind == "object" and levels:
            self._add_object(name, flat, place, levels)
        elif kind == "array" and self._flatten(flat.get("items"))[0] not in ("object", "array"):
            self._add(f"{name}[]", place, schema, required=False)
        elif kind in ("object", "array"):
            self.notes.append(f"without {place} parameter {name}[...]: nested too deeply")
        else:
            self._add(name, place, schema, required=False)

    # --- the body

    def _consumes(self, operation: Operation) -> Iterator[str]:
        medias = operation.get("consumes", self.spec.root.get("consumes"))
        if isinstance(medias, list):
            yield from (media for media in medias if isinstance(media, str))

    def _read_form(self, fields: list[Values], operation: Operation) -> None:
        has_file = any(field.get("type") == "file" for field in fields)
        if has_file or best_body(self._consumes(operation)) == "multipart/form-data":
            self.settings["body"] = "multipart"
        else:
            self.settings["body"] = "form"
        for field in fields:
            schema = _without(field, _NOT_SCHEMA)
            if field.get("type") == "file":
                schema.update({"type": "object", "x-note": FILE_NOTE})
            self._add(field.get("name"), "body", schema, required=field.get("required") is True)

    def _read_content(self, body: Any) -> None:
        if body is None:
            return
        body = self.spec.follow(body)
        content = mapping_in(body, "content")
        media = best_body(map(str, content))
        if media is not None and isinstance(content[media], dict):
            encoding = mapping_in(content[media], "encoding")
            self._read_fields(content[media].get("schema"), media, encoding, body.get("required"))

    def _read_fields(self, schema: Any, media: str, encoding: Values, required: object) -> None:
        """Add the body's properties as params.

        :param required: of the body, as the file says it. Most files say nothing where a body is
            needed all the same, so that only ``false`` makes the fields that it must have ones that
            may be missing.
        """
        kind = body_of(media)
        if kind != "json":
            self.settings["body"] = kind
        if kind == "raw" or (kind == "json" and bare(media) not in ("application/json", "*/*")):
            self.settings["headers"] = {"Content-Type": media}
        if kind == "raw":
            self._add("body", "body", _raw_body(media), required=required is True)
            return
        flat, _ = self.keywords.merger.flatten(schema)
        if type_of(flat) != "object":
            raise UnsayableError(
                f"its body is of type {type_of(flat)}, and params are an object's properties"
            )
        root = mapping_in(flat, "xml").get("name")
        if kind == "xml" and re.fullmatch(XML_NAME, str(root or "")):
            self.settings["body"] = {"type": "xml", "root": root}
        properties = writable_properties(flat)
        if not properties or flat.get("additionalProperties"):
            self.notes.append("the body takes any other properties, too; declare those you send")
        required_names = self._required_names(flat, properties, required)
        for name, value in properties.items():
            if kind == "form" and mapping_in(encoding, name).get("style") == "deepObject":
                self._add_nested(name, value, "body", DEEP_OBJECT_LEVELS)
                continue
            part = self._as_part(value) if kind == "multipart" else value
            self._add(name, "body", part, required=name in required_names)

    def _required_names(self, schema: Values, properties: Values, required: object) -> list[str]:
        names = [name for name in properties if name in list_in(schema, "required")]
        if names and required is False:
            needed = ", ".join(names[:MAX_NAMES_IN_NOTE])
            self.notes.append(f"a call without a body is one, too; a body needs {needed}")
            return []
        return names

    def _as_part(self, schema: Any) -> Any:
        """Make a part of bytes a file; 3.1 says so by a content type, or by saying nothing at
        all.
        """
        _, flat = self._flatten(schema)
        if flat.get("format") == "binary" or "contentMediaType" in flat or flat == {}:
            description = flat.get("description")
            return {"type": "object", "description": description, "x-note": FILE_NOTE}
        return schema


def _add_default(keywords: Commented, default: object) -> None:
    """Add a default that can be sent. Only outside bodies: in a PATCH it would overwrite."""
    if isinstance(default, str) and "${" in default:
        return
    if "required" in keywords or not isinstance(default, str | int | bool):
        return
    if not value_problems(keywords, default):
        keywords["default"] = default


def _raw_body(media: str) -> dict[str, Any]:
    schema = {"type": "string", "x-note": f"the whole body, {media}"}
    if not bare(media).startswith("text/"):
        schema["format"] = "binary"
    return schema


def _without(values: Values, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}
