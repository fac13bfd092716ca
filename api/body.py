"""The request's JSON body, read strictly: the one way a body comes in."""

from __future__ import annotations

from typing import Any

from flask import request

from api.errors import MalformedBody, UnsupportedMediaType
from gateway.bodies import load_json


def json_body() -> Any:
    """The parsed body.

    :raises UnsupportedMediaType: the content type is not ``application/json``.
    :raises MalformedBody: not JSON, not UTF-8, too deep, NaN or Infinity, a duplicate key.
    """
    body = request.get_data(cache=True)  # over MAX_CONTENT_LENGTH this raises 413
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    try:
        return load_json(body, strict=True)
    except ValueError as error:
        raise MalformedBody(f"The body is refused: {error}.") from error
