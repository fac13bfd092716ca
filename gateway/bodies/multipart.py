"""``multipart/form-data`` (RFC 7578): texts, and files given as ``{filename, content_type, base64}``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from secrets import token_hex

from urllib3.fields import RequestField
from urllib3.filepost import encode_multipart_formdata

from gateway.bodies.json import to_text
from gateway.bodies.text import from_base64
from gateway.errors import fields_error

FILE = frozenset({"filename", "content_type", "base64"})
OCTETS = "application/octet-stream"
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(; ?[ -~]+)?", re.ASCII)


def make_multipart_writer(
    binary: frozenset[str],
) -> tuple[str, Callable[[Mapping[str, object]], bytes]]:
    """Content type and writer.

    :param binary: parameters that are a file's base64 alone.
    """
    boundary = token_hex(16)

    def write(params: Mapping[str, object]) -> bytes:
        parts = [
            part for name, value in params.items() for part in _parts(name, value, name in binary)
        ]
        return encode_multipart_formdata(parts, boundary)[0]

    def _parts(name: str, value: object, is_file: bool) -> Iterator[RequestField]:
        if isinstance(value, list):
            for each in value:
                yield from _parts(name, each, is_file)
            return
        part = _part(name, {"base64": value} if is_file and isinstance(value, str) else value)
        if boundary.encode() in (part.data if isinstance(part.data, bytes) else part.data.encode()):
            raise fields_error(
                name, ["Holds what ends a part."]
            )  # somebody who was shown an earlier request
        yield part

    return f"multipart/form-data; boundary={boundary}", write


def _part(name: str, value: object) -> RequestField:
    if isinstance(value, Mapping) and "base64" in value:
        return _file(name, value)
    part = RequestField(name, to_text(value))
    part.make_multipart(content_type="application/json" if isinstance(value, Mapping) else None)
    return part


def _file(name: str, given: Mapping[str, object]) -> RequestField:
    filename, kind = given.get("filename", name), given.get("content_type", OCTETS)
    if given.keys() - FILE or not isinstance(filename, str) or not isinstance(kind, str):
        raise fields_error(name, ["A file is given as filename, content_type and base64."])
    if not _MEDIA_TYPE.fullmatch(kind):
        raise fields_error(name, ["content_type is not a media type, such as image/png."])
    part = RequestField(name, from_base64(name, given["base64"]), filename)
    part.make_multipart(content_type=kind)
    return part
