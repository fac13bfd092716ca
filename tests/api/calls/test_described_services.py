"""What ``GET /services/<name>`` tells of a method."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from gateway.catalog.loader import load_catalog

CATALOG = """
version: 1
services:
  box:
    base_url: https://box.example
    methods:
      find:
        http: GET /things
        params: {kind: {type: string, required: true}}
        returns: {id: {type: integer, required: true}}
        response_headers: [Link]
        paginate: {by: link}
      drop: {http: DELETE /things}
"""


def test_a_method_is_told_with_what_it_takes_and_what_it_returns(
    app: Flask, client: FlaskClient, tokens: Any
) -> None:
    app.extensions["postern"].gateway.swap(load_catalog(CATALOG, "x", {}))
    data = client.get("/api/v1/services/box", headers=tokens["user"]).json["data"]
    find, drop = data["methods"]
    assert find["params"] == {"kind": {"type": "string", "required": True, "in": "query"}}
    schema = {"type": "object", "properties": {"id": {"type": "integer", "required": True}}}
    assert (find["returns"], find["response_headers"]) == (schema, ["Link"])
    assert (drop["returns"], drop["response_headers"]) == (None, [])
    assert (find["paginates"], drop["paginates"]) == (True, False)
