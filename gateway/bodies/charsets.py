"""The text of a reply, in whatever charset it was written."""

from __future__ import annotations

import codecs
import re

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
    try:
        return body[mark:].decode(codec)
    except UnicodeDecodeError as error:
        raise ValueError(f"not {codec.upper()}") from error


def in_utf8(body: bytes, content_type: str, charset: str | None) -> bytes:
    """The same as UTF-8, which it nearly always is already: then unchecked and untouched."""
    if _codec(body, content_type, charset, None)[1] == "utf-8":
        return body
    return text_in(body, content_type, charset).encode()


def _codec(body: bytes, content_type: str, charset: str | None, inside: str | None) -> tuple[int, str]:
    """Bytes of the mark, and Python's name for the charset. Only listed ones: Python knows odd and costly others."""
    for mark, codec in _MARKS:
        if body.startswith(mark):
            return len(mark), codec
    said = _IN_HEADER.search(content_type)
    name = charset or (said and said[1]) or inside or "utf-8"
    try:
        return 0, CHARSETS[name.lower()]
    except KeyError:
        raise ValueError(f"in a charset that is not known: {name[:40]}") from None
