"""The request's body: strict JSON, or bytes as they come; and whether its hash is as declared."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from typing import Any

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from api.errors import (
    BrokenBody,
    CallerSignatureInvalid,
    MalformedBody,
    TooLarge,
    UnsupportedMediaType,
)
from api.request_context import Request, current_context
from gateway.bodies import load_json

JSON_TYPE = "application/json"
CHUNK_BYTES = 64 * 1024
_SHA256 = re.compile(r"[0-9a-f]{64}")


def read_body() -> bytes:
    """Return the whole body.

    :raises TooLarge: it is over the request's limit: ``MAX_BODY`` unless a view has set another.
    :raises BrokenBody: it was cut off.
    """
    incoming = current_context().request
    body = incoming._cached_data
    if body is None:
        # Where Werkzeug keeps it for ``get_data``.
        body = incoming._cached_data = _read_whole(incoming)
    return body


def _read_whole(incoming: Request) -> bytes:
    environ = incoming.environ
    limit = incoming.max_content_length or 0
    declared = environ.get("CONTENT_LENGTH", "")
    try:
        if declared.isdecimal() and "HTTP_TRANSFER_ENCODING" not in environ:
            length = int(declared)
            if length > limit:
                raise TooLarge.over(limit)
            return _read_bytes(environ["wsgi.input"], length)
        # One more: a chunked body is cut there, not refused.
        incoming.max_content_length = limit + 1
        body = incoming.get_data(cache=False)
    except (BrokenBody, TooLarge, RequestEntityTooLarge):  # our own server says what is broken
        raise
    except Exception as error:
        # Each server has its own words for broken chunks and a body that breaks off.
        raise BrokenBody(detail=type(error).__name__) from error
    finally:
        incoming.max_content_length = limit
    if len(body) > limit:
        raise TooLarge.over(limit)
    return body


def _read_bytes(stream: Any, length: int) -> bytes:
    """Return so many bytes; a server ends a body where the caller hangs up."""
    body: bytes = stream.read(length)
    while len(body) < length:
        piece = stream.read(length - len(body))
        if not piece:
            raise BrokenBody
        body += piece
    return body


def iter_body(max_bytes: int) -> Iterator[bytes]:
    """Yield the body as it comes, never held whole. Only the last chunk shows that it is valid.

    :param max_bytes: counts instead of ``MAX_BODY``.
    :raises TooLarge: it is over ``max_bytes``.
    :raises BrokenBody: it was cut off.
    :raises CallerSignatureInvalid: it is not what ``X-Content-SHA256`` declares.
    """
    length = request.content_length
    declared = declared_hash()
    if (length or 0) > max_bytes:
        raise TooLarge.over(max_bytes)
    # One more, to tell a body that is too large from one that just fits.
    request.max_content_length = max_bytes + 1
    stream: Any = request.stream
    if current_context().request._cached_data is not None:
        stream = io.BytesIO(read_body())
    size = 0
    digest = hashlib.sha256()
    while chunk := _read_chunk(stream, max_bytes):
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge.over(max_bytes)
        if declared:
            digest.update(chunk)
        yield chunk
    if length is not None and size != length:
        raise BrokenBody
    _compare(declared, digest.hexdigest())


def _read_chunk(stream: Any, max_bytes: int) -> bytes:
    try:
        return bytes(stream.read(CHUNK_BYTES))
    except RequestEntityTooLarge as error:
        raise TooLarge.over(max_bytes) from error
    except BrokenBody:
        raise
    except Exception as error:  # each server has its own words for a body that breaks off
        raise BrokenBody(detail=type(error).__name__) from error


def declared_hash() -> str | None:
    """Return the hash that ``X-Content-SHA256`` declares, in hex.

    :raises CallerSignatureInvalid: it is no SHA-256, so no body could have it.
    """
    declared = current_context().request.environ.get("HTTP_X_CONTENT_SHA256")
    if declared is not None and not _SHA256.fullmatch(declared):
        raise CallerSignatureInvalid("X-Content-SHA256 is not 64 lower-case hexadecimal digits.")
    return declared


def check_declared_hash() -> None:
    """:raises CallerSignatureInvalid: the body is another than ``X-Content-SHA256`` declares."""
    if declared := declared_hash():
        _compare(declared, hashlib.sha256(read_body()).hexdigest())


def _compare(declared: str | None, real: str) -> None:
    if declared and declared != real:
        raise CallerSignatureInvalid("The body is not the one that X-Content-SHA256 declares.")


def read_json(or_else: str = "") -> Any:
    """Return the parsed body.

    :param or_else: another content type that would do, to be told.
    :raises UnsupportedMediaType: the content type is not ``application/json``.
    :raises MalformedBody: not JSON, not UTF-8, too deep, NaN or Infinity, a duplicate key.
    """
    body = read_body()
    incoming = current_context().request
    # As nearly everybody writes it; werkzeug would take it apart first.
    is_plain_json = incoming.environ.get("CONTENT_TYPE") == JSON_TYPE
    if not is_plain_json and incoming.mimetype != JSON_TYPE:
        due = [JSON_TYPE, or_else] if or_else else [JSON_TYPE]
        raise UnsupportedMediaType.instead_of(incoming.content_type, *due)
    try:
        return load_json(body, strict=True)
    except ValueError as error:
        raise MalformedBody(f"The body is refused: {error}.") from error
