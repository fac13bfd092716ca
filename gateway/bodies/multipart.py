"""``multipart/form-data`` (RFC 7578).

A caller gives a file as ``{filename, content_type, base64}``; all else is a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from secrets import token_hex

from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from gateway.bodies.json import to_text
from gateway.bodies.text import from_base64
from gateway.errors import fields_error

FILE_KEYS = frozenset({"filename", "content_type", "base64"})
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(; ?[ -~]+)?", re.ASCII)


def make_multipart_writer(
    binary: frozenset[str],
) -> tuple[str, Callable[[Mapping[str, object]], bytes]]:
    """Return content type and writer.

    :param binary: parameters that are a file's base64 alone.
    """
    boundary = token_hex(16)

    def write(params: Mapping[str, object]) -> bytes:
        parts = []
        for name, value in params.items():
            for part in _parts(name, value, name in binary):
                _check_boundary(name, part, boundary)
                parts.append(part)
        return encode_multipart_formdata(parts, boundary)[0]

    return f"multipart/form-data; boundary={boundary}", write


def _check_boundary(name: str, part: RequestField, boundary: str) -> None:
    """Refuse a part of somebody who was shown an earlier request."""
    data = part.data if isinstance(part.data, bytes) else part.data.encode()
    if boundary.encode() in data:
        raise fields_error(name, ["Holds what ends a part."])


def _parts(name: str, value: object, is_file: bool) -> Iterator[RequestField]:
    if isinstance(value, list):
        for item in value:
            yield from _parts(name, item, is_file)
    elif is_file and isinstance(value, str):
        yield _part(name, {"base64": value})
    else:
        yield _part(name, value)


def _part(name: str, value: object) -> RequestField:
    if isinstance(value, Mapping) and "base64" in value:
        return _file(name, value)
    part = RequestField(name, to_text(value))
    part.make_multipart(content_type="application/json" if isinstance(value, Mapping) else None)
    return part


def _file(name: str, file: Mapping[str, object]) -> RequestField:
    filename = file.get("filename", name)
    media_type = file.get("content_type", "application/octet-stream")
    if file.keys() - FILE_KEYS or not isinstance(filename, str) or not isinstance(media_type, str):
        raise fields_error(name, ["A file is given as filename, content_type and base64."])
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise fields_error(name, ["content_type is not a media type, such as image/png."])
    part = RequestField(name, from_base64(name, file["base64"]), filename)
    part.make_multipart(content_type=media_type)
    return part
