"""Bytes as text: base64 inside a caller's JSON, and a reply in whatever charset it was written."""

from __future__ import annotations

import codecs
import re
from base64 import b64decode
from collections.abc import Mapping
from functools import lru_cache

from gateway.errors import fields_error

#: A vendor's name for a charset, lower case -> Python's (WHATWG). What says GB2312 is often GBK;
#: GB18030 holds both.
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
    """Return the bytes of one parameter (RFC 4648, 4).

    :raises InvalidParams: it is not base64.
    """
    try:
        return b64decode(value if isinstance(value, str) else "-", validate=True)
    except ValueError as error:
        raise fields_error(name, ["Not valid base64."]) from error


_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FIRST_MARK_BYTES = frozenset(mark[:1] for mark, _ in _MARKS)
MAX_REMEMBERED_TYPES = 64  # of content types
_IN_HEADER = re.compile(r';\s*charset\s*=\s*"?([^\s";,]+)', re.I)


def decode_text(
    body: bytes, content_type: str, charset: str | None, inside: str | None = None
) -> str:
    """Decode a body by its byte order mark, the catalog, its Content-Type or itself, else as UTF-8.

    :param charset: what the catalog says, before Content-Type: servers add theirs without looking.
    :param inside: what the body says of itself, such as an XML declaration.
    :raises ValueError: it is not in that charset, or nobody has heard of that charset.
    """
    mark, codec = _by_mark(body)
    if not codec:
        name = charset or _label(content_type) or inside or "utf-8"
        try:
            codec = CHARSETS[name.lower()]  # only listed ones: Python has odd and costly others
        except KeyError:
            raise ValueError(f"in a charset that is not known: {name[:40]}") from None
    return _decode(body[mark:], codec)


def json_to_utf8(body: bytes, content_type: str, charset: str | None) -> bytes:
    """Return JSON as UTF-8, untouched where it is.

    A label counts if it is a listed one, and the bytes do not show that they are UTF-8 (RFC 8259).

    :param charset: what the catalog says, which counts more than the bytes.
    :raises ValueError: it is not in that charset.
    """
    mark, codec = _by_mark(body) if body[:1] in _FIRST_MARK_BYTES else (0, "")
    if not codec and charset:
        codec = CHARSETS[charset.lower()]
    elif not codec:
        codec = _labelled_codec(content_type)
        if codec != "utf-8" and _is_utf8(body):
            return body
    if codec == "utf-8":
        return body
    return _decode(body[mark:], codec).encode()


def _decode(body: bytes, codec: str) -> str:
    try:
        return body.decode(codec)
    except UnicodeDecodeError as error:
        raise ValueError(f"not {codec.upper()}") from error


def _label(content_type: str) -> str | None:
    match = _IN_HEADER.search(content_type)
    return match and match[1]


@lru_cache(maxsize=MAX_REMEMBERED_TYPES)
def _labelled_codec(content_type: str) -> str:
    label = _label(content_type) or "utf-8"
    return CHARSETS.get(label.lower(), "utf-8")


def _is_utf8(body: bytes) -> bool:
    """Return whether it shows that it is: ASCII alone is in many charsets."""
    if body.isascii():
        return False
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _by_mark(body: bytes) -> tuple[int, str]:
    """Return the length of its byte order mark and the charset it says; 0 and nothing of none."""
    for mark, codec in _MARKS:
        if body.startswith(mark):
            return len(mark), codec
    return 0, ""
