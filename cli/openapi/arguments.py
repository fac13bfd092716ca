"""One operation's parameters and body as a method's ``params``."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

from cli.openapi.body import NOT_SCHEMA, BodyReader
from cli.openapi.keywords import Keywords
from cli.openapi.merging import declared_type
from cli.openapi.param_list import TEXT_NOTE, ParamList, Values
from cli.openapi.source import Spec, UnsayableError, list_in, without
from cli.openapi.styles import Styles
from schemas.catalog.fields import SETTABLE_HEADER

GATEWAY_HEADERS = frozenset(
    {"accept", "content-type", "authorization", "user-agent", "x-request-id"}
)


class Arguments:
    """Gathers what one operation takes.

    :param implied: names of parameters that the credential fills.
    :raises UnsayableError: no call of it could ever be right.
    """

    def __init__(
        self, keywords: Keywords, spec: Spec, http: tuple[str, str], implied: Container[str]
    ) -> None:
        self.params = ParamList(keywords, http)
        self.spec = spec
        self.styles = Styles(keywords, swagger=spec.swagger)
        self.implied = implied

    def read(self, path_item: Values, operation: Values) -> ParamList:
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
        for name in re.findall(r"\{([^{}]*)\}", self.params.template):
            self.params.add(name, "path", {"type": "string"}, required=True)
        reader = BodyReader(self.params, self.spec, self.styles)
        if self.spec.swagger:
            reader.read_swagger(form, body, operation)
        else:
            reader.read_content(operation.get("requestBody"))
        return self.params

    def _parameters(self, path_item: Values, operation: Values) -> dict[tuple[str, str], Values]:
        """Return the parameters by place and name; the operation's replace those of its path."""
        parameters: dict[tuple[str, str], Values] = {}
        for holder in (path_item, operation):
            for value in list_in(holder, "parameters"):
                try:
                    parameter = self.spec.follow(value)
                except UnsayableError as error:
                    self.params.notes.append(f"without a parameter: {error}")
                    continue
                parameters[(str(parameter.get("in")), str(parameter.get("name")))] = parameter
        return parameters

    def _add_parameter(self, param: Values) -> None:
        place = param.get("in")
        name = param.get("name")
        lower_name = str(name).lower()
        if place == "header" and lower_name == "idempotency-key":
            self.params.settings["idempotency_header"] = name
        elif (place == "header" and lower_name in GATEWAY_HEADERS) or lower_name in self.implied:
            return
        elif place == "path" and f"{{{name}}}" not in self.params.template:
            self.params.notes.append(f"without path parameter {name}: the path has no such place")
        elif place == "header" and not re.fullmatch(SETTABLE_HEADER, str(name)):
            self.params.notes.append(f"without header {name}: not one that a parameter may have")
        elif place in ("path", "query", "header"):
            self._add_usable_parameter(param, str(place))
        else:
            self.params.notes.append(f"without {place} parameter {name}")

    def _add_usable_parameter(self, param: Values, place: str) -> None:
        name = param.get("name")
        required = param.get("required") is True
        schema = self._parameter_schema(param)
        kind, flat = self.params.keywords.flatten(schema)
        if not declared_type(flat):  # outside a body all is text
            schema = {"type": "string", "description": schema["description"]}
            kind = "string"
        style = self.styles.of_parameter(param, place, kind, flat)
        if style is None:
            schema = {"type": "string", "description": schema["description"], "x-note": TEXT_NOTE}
        self.params.add(name, place, schema, required=required, style=style)

    def _parameter_schema(self, param: Values) -> dict[str, Any]:
        schema = param.get("schema")
        if self.spec.swagger:
            schema = without(param, NOT_SCHEMA)
        elif not isinstance(schema, dict):
            schema = {"type": "string"}
            if "content" in param:
                schema["x-note"] = "JSON text"
        return {**schema, "description": param.get("description", schema.get("description"))}
