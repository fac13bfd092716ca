"""The request's JSON body, read strictly: the one way a body comes in."""

from __future__ import annotations

from typing import Any

from flask import request

from api.errors import BrokenBody, MalformedBody, TooLarge, UnsupportedMediaType
from gateway.bodies import load_json


def body_bytes() -> bytes:
    """The whole body.

    :raises TooLarge: it is over ``MAX_BODY``.
    """
    try:
        body = request.get_data(cache=True)  # a declared length over the limit raises 413 in werkzeug
    except OSError as error:  # what gunicorn raises for broken chunks, and a lost connection
        raise BrokenBody from error
    if request.content_length is None and len(body) >= (request.max_content_length or 0):
        raise TooLarge  # a chunked body is cut at the limit, not refused
    return body


def json_body() -> Any:
    """The parsed body.

    :raises UnsupportedMediaType: the content type is not ``application/json``.
    :raises MalformedBody: not JSON, not UTF-8, too deep, NaN or Infinity, a duplicate key.
    """
    body = body_bytes()
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    try:
        return load_json(body, strict=True)
    except ValueError as error:
        raise MalformedBody(f"The body is refused: {error}.") from error
