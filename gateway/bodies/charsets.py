"""The text of a reply, in whatever charset it was written."""

from __future__ import annotations

import codecs
import re
from contextlib import suppress

from schemas.catalog_formats import CHARSETS

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_IN_HEADER = re.compile(r';\s*charset\s*=\s*"?([^\s";,]+)', re.I)


def text_in(body: bytes, content_type: str, charset: str | None, inside: str | None = None) -> str:
    """The text, by its byte order mark, else by what the catalog says, its Content-Type, itself; else as UTF-8.

    :param charset: what the catalog says; before Content-Type, because servers add theirs without looking.
    :param inside: what the body says of itself, such as an XML declaration.
    :raises ValueError: it is not in that charset, or nobody knows that charset.
    """
    mark, codec = _codec(body, content_type, charset, inside)
    return _decoded(body[mark:], codec)


def json_in_utf8(body: bytes, content_type: str, charset: str | None) -> bytes:
    """JSON as UTF-8, which it nearly always is already: then untouched.

    A label counts only where the bytes do not show that they are UTF-8 (RFC 8259, 11), and if it is a known one.

    :param charset: what the catalog says, which counts more than the bytes.
    :raises ValueError: it is not in that charset.
    """
    mark, codec = _by_mark(body)
    codec = codec or (CHARSETS[charset.lower()] if charset else _labelled(body, content_type))
    return body if codec == "utf-8" else _decoded(body[mark:], codec).encode()


def _decoded(body: bytes, codec: str) -> str:
    try:
        return body.decode(codec)
    except UnicodeDecodeError as error:
        raise ValueError(f"not {codec.upper()}") from error


def _labelled(body: bytes, content_type: str) -> str:
    said = _IN_HEADER.search(content_type)
    codec = CHARSETS.get(said[1].lower(), "utf-8") if said else "utf-8"
    if codec != "utf-8" and not body.isascii():
        with suppress(UnicodeDecodeError):
            body.decode()
            return "utf-8"
    return codec


def _by_mark(body: bytes) -> tuple[int, str]:
    """Bytes of its byte order mark, and Python's name for what that says; 0 and nothing where it has none."""
    return next(((len(mark), codec) for mark, codec in _MARKS if body.startswith(mark)), (0, ""))


def _codec(body: bytes, content_type: str, charset: str | None, inside: str | None) -> tuple[int, str]:
    """Bytes of the mark, and Python's name for the charset. Only listed ones: Python knows odd and costly others."""
    mark, marked = _by_mark(body)
    if marked:
        return mark, marked
    said = _IN_HEADER.search(content_type)
    name = charset or (said and said[1]) or inside or "utf-8"
    try:
        return 0, CHARSETS[name.lower()]
    except KeyError:
        raise ValueError(f"in a charset that is not known: {name[:40]}") from None
