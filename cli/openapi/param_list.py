"""The params of one method, as its operation's parameters and body give them in turn."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.openapi.keywords import Keywords
from cli.openapi.yaml_writer import Commented, one_line
from gateway.catalog.model import Param, kind_of
from gateway.catalog.params.place import usual_place
from gateway.catalog.params.styles import style_problems
from schemas.catalog.params import value_problems

MAX_NAME_CHARACTERS = 60  # in a note
TEXT_NOTE = "one text in the vendor's own way"
Values = Mapping[str, Any]


@dataclass(frozen=True)
class _Parameter:
    """:param style: how it is written, in a catalog's keys."""

    place: str
    schema: Any
    required: bool
    style: Values


class ParamList:
    """Gathers params, and what the method's other settings say of them.

    :ivar notes: about what cannot be a param.
    :ivar settings: of the method.
    """

    def __init__(self, keywords: Keywords, http: tuple[str, str]) -> None:
        self.keywords = keywords
        self.verb, self.template = http
        self.notes: list[str] = []
        self.settings: dict[str, Any] = {}
        self._params: dict[str, _Parameter] = {}

    def render(self) -> dict[str, Commented]:
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
            if place != usual_place(name, self.verb, self.template):
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
        plain = {key: param[key] for key in ("in", "required", "description") if key in param}
        return Commented({"type": "string", **plain}, TEXT_NOTE)

    def add(
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

    def free_name(self, *names: str) -> str | None:
        """Return the first of these names that no param has."""
        return next((name for name in names if name not in self._params), None)


def _add_default(keywords: Commented, default: object) -> None:
    """Add a default that can be sent. Only outside bodies: in a PATCH it would overwrite."""
    if isinstance(default, str) and "${" in default:
        return
    if "required" in keywords or not isinstance(default, str | int | bool):
        return
    if not value_problems(keywords, default):
        keywords["default"] = default
