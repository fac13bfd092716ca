"""``body:``, ``response:`` and ``envelope:`` of a method: formats, and the meaning of replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from gateway.bodies import READERS, WRITERS
from gateway.bodies.pairs import ARRAY_FORMATS, OBJECT_FORMATS
from gateway.bodies.text import CHARSETS
from gateway.bodies.xml_names import XML_NAME
from gateway.envelopes import ENVELOPES
from gateway.envelopes.presets import PRESETS
from gateway.errors import VENDOR_ERRORS
from schemas.catalog.fields import (
    HEADER_NAME,
    HEADER_TEXT,
    MESSAGES,
    NamedMap,
    NearOneOf,
    Strict,
    by_shape,
    nested,
    one_of,
    text,
)

#: Envelopes by name; ``{preset: NAME}`` may begin with one that is described.
ENVELOPE_NAMES = ("plain", *PRESETS, *(name for name in ENVELOPES if name != "plain"))


class BodySchema(Strict):
    type = text(required=True, validate=one_of(*WRITERS))
    root = text(
        validate=validate.Regexp(rf"{XML_NAME}(/{XML_NAME})*\Z", error="must be an XML name")
    )
    attributes = NamedMap(text(), XML_NAME)
    content_type = text(validate=HEADER_TEXT)
    array_format = text(validate=one_of(*ARRAY_FORMATS))
    object_format = text(validate=one_of(*OBJECT_FORMATS))

    @validates_schema
    def check_type(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        _check_owner(
            data,
            root="xml",
            attributes="xml",
            content_type="raw",
            array_format="form",
            object_format="form",
        )


def _check_charset(value: str) -> None:
    if value.lower() not in CHARSETS:
        raise ValidationError(
            "must be a charset such as utf-8, gbk, big5, shift_jis, iso-8859-1 or windows-1252"
        )


class ResponseSchema(Strict):
    type = text(required=True, validate=one_of(*READERS))
    charset = text(validate=_check_charset)
    lists = fields.List(text(), validate=validate.Length(min=1))

    @validates_schema
    def check_type(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        _check_owner(data, lists="xml")


def _check_owner(data: Mapping[str, Any], **owners: str) -> None:
    for key, owner in owners.items():
        if key in data and data.get("type") != owner:
            raise ValidationError(f"belongs to type: {owner}", key)


def body_field() -> fields.Field[Any]:
    return by_shape(text(validate=one_of(*WRITERS)), mapping=nested(BodySchema))


def response_field() -> fields.Field[Any]:
    return by_shape(text(validate=one_of(*READERS)), mapping=nested(ResponseSchema))


def _places_field() -> fields.Field[Any]:
    return by_shape(text(), sequence=fields.List(text(), validate=validate.Length(min=1)))


class EnvelopeSchema(Strict):
    preset = text(validate=one_of(*PRESETS))
    code = _places_field()
    ok = by_shape(
        text(
            validate=validate.Equal(
                "http", error="must be a list of good codes, or http: its status decides"
            )
        ),
        sequence=fields.List(fields.Raw(allow_none=True), validate=validate.Length(min=1)),
    )
    message = _places_field()
    data = text()
    errors = NamedMap(text(validate=one_of(*VENDOR_ERRORS)), r"(?s).+")
    messages = NamedMap(text(validate=one_of(*VENDOR_ERRORS)), r"(?s).+")
    retry_after = text(validate=HEADER_NAME)

    @validates_schema
    def check_needed_keys(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        needs = {"ok": True, "code": data.get("ok") != "http", "message": "messages" in data}
        missing = {
            key: [MESSAGES["required"]]
            for key, needed in needs.items()
            if needed and key not in data
        }
        if missing and "preset" not in data:
            raise ValidationError(missing)


def envelope_field() -> fields.Field[Any]:
    names = ", ".join(ENVELOPE_NAMES)
    check = NearOneOf(
        ENVELOPE_NAMES, error=f"unknown envelope {{input!r}}; use one of {names}, or describe it"
    )
    return by_shape(text(validate=check), mapping=nested(EnvelopeSchema))
