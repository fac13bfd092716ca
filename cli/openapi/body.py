"""The body of one operation, read as params of its method."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cli.openapi.merging import type_of, writable_properties
from cli.openapi.naming import bare, best_body, body_of
from cli.openapi.param_list import ParamList, Values
from cli.openapi.source import Spec, UnsayableError, list_in, mapping_in, without
from cli.openapi.styles import Styles
from gateway.bodies.xml_names import XML_NAME

FILE_NOTE = "a file: filename, content_type, base64"
MAX_NAMES_IN_NOTE = 10
DEEP_FORM = {"type": "form", "array_format": "indices", "object_format": "brackets"}
NOT_SCHEMA = ("required", "name", "in")  # of a parameter of Swagger 2


class BodyReader:
    """Reads the body of an operation into the list of its params.

    :raises UnsayableError: no call of it could ever be right.
    """

    def __init__(self, params: ParamList, spec: Spec, styles: Styles) -> None:
        self.params = params
        self.keywords = params.keywords
        self.spec = spec
        self.styles = styles

    def read_swagger(self, form: list[Values], body: Values | None, operation: Values) -> None:
        """Read Swagger 2's: parameters of a form, or one that is the whole body."""
        if form:
            self._read_form(form, operation)
        elif body is not None:
            media = best_body(self._consumes(operation)) or "application/json"
            self._read_fields(body.get("schema"), media, {}, body.get("required"))

    def _consumes(self, operation: Values) -> Iterator[str]:
        medias = operation.get("consumes", self.spec.root.get("consumes"))
        if isinstance(medias, list):
            yield from (media for media in medias if isinstance(media, str))

    def _read_form(self, fields: list[Values], operation: Values) -> None:
        has_file = any(field.get("type") == "file" for field in fields)
        if has_file or best_body(self._consumes(operation)) == "multipart/form-data":
            self.params.settings["body"] = "multipart"
        else:
            self.params.settings["body"] = "form"
        for field in fields:
            schema = without(field, NOT_SCHEMA)
            if field.get("type") == "file":
                schema.update({"type": "object", "x-note": FILE_NOTE})
            self.params.add(
                field.get("name"), "body", schema, required=field.get("required") is True
            )

    def read_content(self, body: Any) -> None:
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

        :param required: of the body. Only ``false`` makes its required fields optional, as most
            files say nothing where a body is needed all the same.
        """
        kind = body_of(media)
        if kind != "json":
            self.params.settings["body"] = kind
        if kind == "raw" or (kind == "json" and bare(media) not in ("application/json", "*/*")):
            self.params.settings["headers"] = {"Content-Type": media}
        if kind == "raw":
            self.params.add("body", "body", _raw_body(media), required=required is True)
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
            self.params.settings["body"] = {"type": "xml", "root": root}
        properties = writable_properties(flat)
        if not properties or flat.get("additionalProperties"):
            self.params.notes.append(
                "the body takes any other properties, too; declare those you send"
            )
        required_names = self._required_names(flat, properties, required)
        styles = {}
        if kind == "form":
            styles = self._form_styles(properties, encoding)
        for name, value in properties.items():
            part = self._as_part(value) if kind == "multipart" else value
            needed = name in required_names
            self.params.add(name, "body", part, required=needed, style=styles.get(name))

    def _form_styles(self, properties: Values, encoding: Values) -> dict[str, Values]:
        """Return how each property is written; all alike where one of them is a deep object."""
        encodings = {name: mapping_in(encoding, name) for name in properties}
        if any(values.get("style") == "deepObject" for values in encodings.values()):
            self.params.settings["body"] = dict(DEEP_FORM)
            return {}
        styles = {}
        for name, values in encodings.items():
            if "style" in values or "explode" in values:
                kind, flat = self.keywords.flatten(properties[name])
                styles[name] = self.styles.of_parameter(values, "query", kind, flat) or {}
        return styles

    def _add_whole_body(self, schema: Any, kind: str, required: object) -> None:
        """Make the body one parameter. It is needed unless the file says that it is not."""
        preferred = "items" if kind == "array" else "body"
        name = self.params.free_name(preferred, "body") or "request_body"
        self.params.settings["body_param"] = name
        self.params.add(name, "body", schema, required=required is not False)

    def _required_names(self, schema: Values, properties: Values, required: object) -> list[str]:
        names = [name for name in properties if name in list_in(schema, "required")]
        if names and required is False:
            needed = ", ".join(names[:MAX_NAMES_IN_NOTE])
            self.params.notes.append(f"a call without a body is one, too; a body needs {needed}")
            return []
        return names

    def _as_part(self, schema: Any) -> Any:
        """Make bytes a file, and a list of such one of files; 3.1 may say nothing of them."""
        kind, flat = self.keywords.flatten(schema)
        if flat.get("format") == "binary" or "contentMediaType" in flat or flat == {}:
            description = flat.get("description")
            return {"type": "object", "description": description, "x-note": FILE_NOTE}
        if kind == "array" and isinstance(flat.get("items"), dict):
            return {**flat, "items": self._as_part(flat["items"])}
        return schema


def _is_whole(schema: Values) -> bool:
    """Tell whether a JSON body is no object, or one without a name that could be declared."""
    return type_of(schema) != "object" or not schema.get("properties")


def _raw_body(media: str) -> dict[str, Any]:
    schema = {"type": "string", "x-note": f"the whole body, {media}"}
    if not bare(media).startswith("text/"):
        schema["format"] = "binary"
    return schema
