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
from cli.openapi.styles import Styles
from cli.openapi.yaml_writer import Commented, one_line
from gateway.bodies.xml import XML_NAME
from gateway.catalog.model import Param, kind_of
from gateway.catalog.params.place import IN_QUERY
from gateway.catalog.params.styles import style_problems
from schemas.catalog.fields import SETTABLE_HEADER
from schemas.catalog.params import value_problems

GATEWAY_HEADERS = frozenset(
    {"accept", "content-type", "authorization", "user-agent", "x-request-id"}
)
FILE_NOTE = "a file: filename, content_type, base64"
MAX_NAME_CHARACTERS = 60  # in a note
MAX_NAMES_IN_NOTE = 10
TEXT_NOTE = "one text in the vendor's own way"
DEEP_FORM = {"type": "form", "array_format": "indices", "object_format": "brackets"}
_NOT_SCHEMA = ("required", "name", "in")
Operation = Mapping[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class _Parameter:
    """:param style: how it is written, in a catalog's keys."""

    place: str
    schema: Any
    required: bool
    style: Values


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
        self.styles = Styles(keywords, swagger=spec.swagger)
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
            param = Commented({}, *keywords.notes)
            if "type" in keywords:
                param["type"] = keywords.pop("type")
            if place != self._usual_place(name):
                param["in"] = place
            param.update(keywords)
            params[name] = self._with_style(name, param)
        return params

    def _with_style(self, name: str, param: Commented) -> Commented:
        """Add how it is written; a text takes the place of what cannot be written so."""
        place = self._params[name].place
        styled = Commented({**param, **self._params[name].style}, *param.notes)
        is_form = kind_of(self.settings.get("body", "json")) == "form"
        if not any(style_problems(Param(name, place, styled), is_form=is_form)):
            return styled
        kept = {key: param[key] for key in ("in", "required", "description") if key in param}
        return Commented({"type": "string", **kept}, TEXT_NOTE)

    def _usual_place(self, name: str) -> str:
        """Return where a catalog puts a parameter that has no ``in``."""
        if f"{{{name}}}" in self.template:
            return "path"
        if self.verb in IN_QUERY:
            return "query"
        return "body"

    def _add(
        self, name: object, place: str, schema: Any, *, required: bool, style: Values | None = None
    ) -> None:
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
        self._params[name] = _Parameter(place, schema, required and place != "path", style or {})
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
        style = self.styles.of_parameter(param, place, kind, flat)
        if style is None:
            schema = {"type": "string", "description": schema["description"], "x-note": TEXT_NOTE}
        self._add(name, place, schema, required=required, style=style)

    def _parameter_schema(self, param: Values) -> dict[str, Any]:
        schema = param.get("schema")
        if self.spec.swagger:
            schema = _without(param, _NOT_SCHEMA)
        elif not isinstance(schema, dict):
            schema = {"type": "string"}
            if "content" in param:
                schema["x-note"] = "JSON text"
        return {**schema, "description": param.get("description", schema.get("description"))}

    def _flatten(self, schema: Any) -> tuple[str, dict[str, Any]]:
        """Return a schema's type and the schema without references."""
        return self.keywords.flatten(schema)

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
        if kind == "json" and _is_whole(flat):
            self._add_whole_body(schema, type_of(flat), required)
            return
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
        styles = {}
        if kind == "form":
            styles = self._form_styles(properties, encoding)
        for name, value in properties.items():
            part = self._as_part(value) if kind == "multipart" else value
            needed = name in required_names
            self._add(name, "body", part, required=needed, style=styles.get(name))

    def _form_styles(self, properties: Values, encoding: Values) -> dict[str, Values]:
        """Return how each property is written; all alike where one of them is a deep object."""
        encodings = {name: mapping_in(encoding, name) for name in properties}
        if any(values.get("style") == "deepObject" for values in encodings.values()):
            self.settings["body"] = dict(DEEP_FORM)
            return {}
        styles = {}
        for name, values in encodings.items():
            if "style" in values or "explode" in values:
                kind, flat = self._flatten(properties[name])
                styles[name] = self.styles.of_parameter(values, "query", kind, flat) or {}
        return styles

    def _add_whole_body(self, schema: Any, kind: str, required: object) -> None:
        """Make the body one parameter. It is needed unless the file says that it is not."""
        preferred = "items" if kind == "array" else "body"
        free = [name for name in (preferred, "body") if name not in self._params]
        name = free[0] if free else "request_body"
        self.settings["body_param"] = name
        self._add(name, "body", schema, required=required is not False)

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


def _is_whole(schema: Values) -> bool:
    """Tell whether a JSON body is no object, or one without a name that could be declared."""
    return type_of(schema) != "object" or not schema.get("properties")


def _raw_body(media: str) -> dict[str, Any]:
    schema = {"type": "string", "x-note": f"the whole body, {media}"}
    if not bare(media).startswith("text/"):
        schema["format"] = "binary"
    return schema


def _without(values: Values, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in keys}
