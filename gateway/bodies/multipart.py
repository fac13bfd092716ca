"""``multipart/form-data`` (RFC 7578), spelled as browsers do (WHATWG).

A caller gives a file as ``{filename, content_type, base64}``; all else is a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from secrets import token_hex
from typing import NamedTuple

from gateway.bodies.json import to_text
from gateway.bodies.text import from_base64
from gateway.errors import fields_error

FILE_KEYS = frozenset({"filename", "content_type", "base64"})
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(; ?[ -~]+)?", re.ASCII)
_QUOTED = str.maketrans({"\n": "%0A", "\r": "%0D", '"': "%22"})


class Part(NamedTuple):
    """One part of a body."""

    name: str
    data: bytes
    filename: str | None = None
    content_type: str | None = None

    def encode(self) -> bytes:
        head = f'Content-Disposition: form-data; name="{self.name.translate(_QUOTED)}"'
        if self.filename is not None:
            head += f'; filename="{self.filename.translate(_QUOTED)}"'
        if self.content_type:
            head += f"\r\nContent-Type: {self.content_type}"
        return head.encode() + b"\r\n\r\n" + self.data + b"\r\n"


def make_multipart_writer(
    binary: frozenset[str],
) -> tuple[str, Callable[[Mapping[str, object]], bytes]]:
    """:param binary: parameters that are a file's base64 alone."""
    boundary = token_hex(16)
    delimiter = f"--{boundary}\r\n".encode()
    end = f"--{boundary}--\r\n".encode()

    def write(params: Mapping[str, object]) -> bytes:
        pieces: list[bytes] = []
        for name, value in params.items():
            for part in _parts(name, value, name in binary):
                if boundary.encode() in part.data:  # by somebody who was shown an earlier request
                    raise fields_error(name, ["Holds what ends a part."])
                pieces += (delimiter, part.encode())
        return b"".join((*pieces, end))

    return f"multipart/form-data; boundary={boundary}", write


def _parts(name: str, value: object, is_file: bool) -> Iterator[Part]:
    if isinstance(value, list):
        for item in value:
            yield from _parts(name, item, is_file)
    elif is_file and isinstance(value, str):
        yield _part(name, {"base64": value})
    else:
        yield _part(name, value)


def _part(name: str, value: object) -> Part:
    if isinstance(value, Mapping) and "base64" in value:
        return _file(name, value)
    content_type = "application/json" if isinstance(value, Mapping) else None
    return Part(name, to_text(value).encode(), content_type=content_type)


def _file(name: str, file: Mapping[str, object]) -> Part:
    filename = file.get("filename", name)
    media_type = file.get("content_type", "application/octet-stream")
    if file.keys() - FILE_KEYS or not isinstance(filename, str) or not isinstance(media_type, str):
        raise fields_error(name, ["A file is given as filename, content_type and base64."])
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise fields_error(name, ["content_type is not a media type, such as image/png."])
    return Part(name, from_base64(name, file["base64"]), filename, media_type)
