"""A parameter that could not be written as it is declared is refused with its line, and what to write instead."""

from __future__ import annotations

import pytest

from gateway.catalog.loader import CatalogError, load_catalog

TOP = "version: 1\nservices:\n  s:\n    base_url: http://a.example\n    methods:\n      m:\n"
P = "services.s.methods.m.params.p"
M = "services.s.methods.m"
PLACE = "belongs to in: query, path or header, or to body: form"
BOTH = "and style both say how it is written; drop one"
INSIDE = "makes one text of it, which can hold no list or object inside"


def problems(method: str) -> list[tuple[int, str, str]]:
    lines = "".join(f"        {line}\n" for line in method.splitlines())
    with pytest.raises(CatalogError) as caught:
        load_catalog(TOP + lines, "services.yaml", {})
    return [problem[1:] for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("http", "keywords", "key", "message"),
    [
        ("GET /a", "{type: array, style: spaceSeparated}", "style",
         "must be one of: form, simple, spaceDelimited, pipeDelimited, deepObject"),
        ("GET /a", "{type: array, style: simple}", "style",
         "belongs to in: path or header; use form, with explode: false for a,b"),
        ("GET /{p}", "{type: array, style: form}", "style", "must be simple in a path or a header"),
        ("GET /a", "{type: array, style: deepObject}", "style",
         "is for type: object; for a list write array_format: brackets or indices"),
        ("GET /a", "{type: object, style: deepObject, explode: false}", "explode",
         "must be true, or not there, with style: deepObject"),
        ("GET /a", "{type: string, style: pipeDelimited}", "style", "is for type: array"),
        ("GET /a", "{type: array, style: pipeDelimited, explode: true}", "explode",
         "must be false, or not there, with style: pipeDelimited"),
        ("GET /a", "{type: object, style: form}", "style",
         "of an object needs properties and no additionalProperties; or deepObject"),
        ("GET /a", "{type: array, style: form, array_format: brackets}", "array_format", BOTH),
        ("GET /a", "{type: object, style: deepObject, object_format: dots}", "object_format", BOTH),
        ("GET /a", "{type: array, array_format: repeated}", "array_format",
         "must be one of: repeat, brackets, indices, numbers, comma; did you mean 'repeat'?"),
        ("GET /{p}", "{type: array, array_format: comma}", "array_format",
         "belongs to in: query or body: form; a list here is a,b (style: simple)"),
        ("GET /a", "{type: array, items: {type: object}, explode: false}", "explode", INSIDE),
        ("GET /{p}", "{type: array, style: simple, items: {type: array}}", "style", INSIDE),
        ("GET /a", "{type: object, properties: {x: {type: array}}, style: form, explode: false}", "style", INSIDE),
        ("POST /a", "{type: array, explode: false}", "explode", PLACE),
        ("POST /a", "{type: string, allowReserved: true}", "allowReserved", PLACE),
        ("GET /a", "{type: string, in: header, allowReserved: true}", "allowReserved",
         "belongs to in: path or in: query"),
        ("GET /{p}", "{type: integer, allowReserved: true}", "allowReserved", "in a path is for type: string"),
        ("GET /a", "{type: object, allowReserved: true}", "allowReserved", "is not for type: object"),
        ("GET /a", "{type: array, items: {type: array, explode: false}}", "items.explode",
         "belongs to the parameter, not into a part of it"),
        ("GET /a", "{oneOf: [{type: string}, {type: array, style: form}]}", "oneOf.1.style",
         "belongs to the parameter, not into a part of it"),
    ],
)  # fmt: skip
def test_a_style_that_does_not_fit_is_named_with_its_line(
    http: str, keywords: str, key: str, message: str
) -> None:
    assert problems(f"http: {http}\nparams:\n  p: {keywords}") == [(9, f"{P}.{key}", message)]


@pytest.mark.parametrize(
    ("keywords", "key", "message"),
    [
        ("{required: true}", "type", "missing; this key is required"),
        ("{oneOf: []}", "oneOf", "Shorter than minimum length 1."),
        ("{oneOf: [{}]}", "oneOf.0.type", "missing; this key is required"),
        ("{oneOf: [{type: string}], type: string}", "type", "belongs into each shape of oneOf"),
        ("{oneOf: [{type: string}], anyOf: [{type: string}]}", "anyOf", "belongs into each shape of oneOf"),
        ("{anyOf: [{type: string}], maxLength: 5}", "maxLength", "belongs into each shape of anyOf"),
        ("{type: object, additionalProperties: 5}", "additionalProperties",
         "must be a mapping of keys to values, such as {type: string}"),
        ("{type: object, additionalProperties: {type: text}}", "additionalProperties.type",
         "must be one of: string, integer, number, boolean, array, object"),
        ("{oneOf: [{type: string}], default: 5}", "default",
         "does not fit its own declaration: Fits no shape of oneOf."),
    ],
)  # fmt: skip
def test_a_shape_that_cannot_be_is_named_with_its_line(
    keywords: str, key: str, message: str
) -> None:
    messages = problems(f"http: POST /a\nparams:\n  p: {keywords}")
    assert (9, f"{P}.{key}", message) in messages


@pytest.mark.parametrize(
    ("method", "line", "key", "message"),
    [
        ("http: POST /a\nbody_param: q\nparams: {p: {type: array}}", 8, f"{M}.body_param",
         "'q' is not one of the params in the body"),
        ("http: POST /a\nbody_param: p\nparams: {p: {type: array}, q: {type: string}}", 9, f"{M}.params.q",
         "the whole body is 'p'; write in: query or in: header for this one"),
        ("http: POST /a\nbody_param: p\nbody: form\nparams: {p: {type: array}}", 8, f"{M}.body_param",
         "belongs to body: json"),
        ("http: GET /a\nbody_param: p\nparams: {p: {type: array}}", 8, f"{M}.body_param",
         "'p' is not one of the params in the body"),
    ],
)  # fmt: skip
def test_a_body_param_that_cannot_be_the_body_is_refused(
    method: str, line: int, key: str, message: str
) -> None:
    assert (line, key, message) in problems(method)


def test_a_body_that_is_one_parameter_has_no_place_for_a_signature() -> None:
    text = TOP.replace(
        "    methods",
        "    auth: {type: digest, secret: k, sign: '{params}{secret}', name: sig}\n    methods",
    )
    method = "        http: POST /a\n        body_param: p\n        params: {p: {type: array}}\n"
    with pytest.raises(CatalogError) as caught:
        load_catalog(text + method, "services.yaml", {})
    assert [problem[1:] for problem in caught.value.problems] == [
        (9, f"{M}.body_param", "auth: digest adds to the body's members, and this body has none")
    ]


@pytest.mark.parametrize(
    "body", ["{type: json, array_format: comma}", "{type: xml, object_format: dots}"]
)
def test_formats_belong_to_forms(body: str) -> None:
    [(line, _, message)] = problems(f"http: POST /a\nbody: {body}")
    assert (line, message) == (8, "belongs to type: form")
