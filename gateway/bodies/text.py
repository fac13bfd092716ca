"""Bytes inside a caller's JSON."""

from __future__ import annotations

import codecs
import re
from base64 import b64decode
from collections.abc import Mapping
from contextlib import suppress

from gateway.errors import fields_error

# binary: Bytes inside a caller's JSON.

#: A vendor's name for a charset, lower case -> Python's. WHATWG's table, as far as replies may be in them: what
#: says GB2312 is often GBK, and GB18030 holds both.
CHARSETS: Mapping[str, str] = {
    **dict.fromkeys(("utf-8", "utf8", "us-ascii", "ascii"), "utf-8"),
    **dict.fromkeys(("gbk", "gb2312", "gb18030", "x-gbk", "cp936"), "gb18030"),
    **dict.fromkeys(("big5", "big5-hkscs"), "big5hkscs"),
    **dict.fromkeys(("utf-16", "utf-16be"), "utf-16-be"),
    **dict.fromkeys(("shift_jis", "shift-jis", "sjis"), "cp932"),
    **{f"iso-8859-{part}": f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))},
    **{f"windows-{page}": f"cp{page}" for page in range(1250, 1259)},
    **{
        "latin1": "iso8859-1",
        "utf-16le": "utf-16-le",
        "euc-jp": "euc_jp",
        "euc-kr": "cp949",
        "koi8-r": "koi8-r",
    },
}


def from_base64(name: str, value: object) -> bytes:
    """The bytes of one parameter (RFC 4648, 4).

    :raises InvalidParams: it is not base64.
    """
    try:
        return b64decode(value if isinstance(value, str) else "-", validate=True)
    except ValueError as error:
        raise fields_error(name, ["Not valid base64."]) from error


# charsets: The text of a reply, in whatever charset it was written.

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_IN_HEADER = re.compile(r';\s*charset\s*=\s*"?([^\s";,]+)', re.I)


def decode_text(
    body: bytes, content_type: str, charset: str | None, inside: str | None = None
) -> str:
    """The text, by its byte order mark, else by what the catalog says, its Content-Type, itself; else as UTF-8.

    :param charset: what the catalog says; before Content-Type, because servers add theirs without looking.
    :param inside: what the body says of itself, such as an XML declaration.
    :raises ValueError: it is not in that charset, or nobody knows that charset.
    """
    mark, codec = _codec(body, content_type, charset, inside)
    return _decoded(body[mark:], codec)


def json_to_utf8(body: bytes, content_type: str, charset: str | None) -> bytes:
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


def _codec(
    body: bytes, content_type: str, charset: str | None, inside: str | None
) -> tuple[int, str]:
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
