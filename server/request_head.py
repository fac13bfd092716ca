"""The head of an HTTP/1.1 request (RFC 9112), read strictly, as a WSGI environ (PEP 3333).

Most header lines come again and again, so what a line means is remembered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from api.errors import HeadersTooLarge, MalformedBody

MAX_LINE_BYTES = 8190  # of the request line; as much as nginx takes
MAX_HEADER_BYTES = 8190
MAX_HEADERS = 100
MAX_HEAD_BYTES = 65536  # all headers together
MAX_REMEMBERED_LINES = 4096
MAX_REMEMBERED_BYTES = 1024  # of one line
MAX_REMEMBERED_HOSTS = 64

_LINE_TOO_LONG = (
    f"The request line is over {MAX_LINE_BYTES} bytes; send long parameters in a POST's body."
)
_HEAD_TOO_LARGE = (
    f"The headers are over {MAX_HEAD_BYTES} bytes together; send fewer, or shorter cookies."
)
NOT_HTTP = "This is not an HTTP request that can be understood; send HTTP/1.1, as curl does."
_REQUEST_LINE = re.compile(rb"([!$-&'*+.^_`|~0-9A-Z-]{3,20}) ([!-~\x80-\xff]+) HTTP/(1\.[0-9])")
_NAME = re.compile(rb"[!#$-&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110, 5.5
#: uri-host [ ":" port ] of RFC 3986, 3.2.2; reg-names may be percent-encoded, IPv6 in brackets.
_HOST = re.compile(
    r"""(?: \[ [0-9A-Za-z:._~!$&'()*+,;=-]+ \]
          | (?: [0-9A-Za-z._~!$&'()*+,;=-] | %[0-9A-Fa-f]{2} )+ )
        (?: : [0-9]{0,5} )?""",
    re.VERBOSE,
)
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]")
#: Of these a second line would make the message mean two things (RFC 9110, 5.3).
_SINGLE = {
    "HTTP_HOST": "There is more than one Host header; send one.",
    "CONTENT_TYPE": NOT_HTTP,
    "CONTENT_LENGTH": NOT_HTTP,
}
#: Whose values do not come again.
_UNIQUE = frozenset(
    {"HTTP_X_NONCE", "HTTP_X_SIGNATURE", "HTTP_X_TIMESTAMP", "HTTP_X_REQUEST_ID"}
    | {"HTTP_X_CONTENT_SHA256", "HTTP_IDEMPOTENCY_KEY", "HTTP_TRACEPARENT"}
)
_NO_TRAILERS = frozenset(
    {b"HOST", b"CONTENT-LENGTH", b"TRANSFER-ENCODING", b"TRAILER", b"AUTHORIZATION", b"TE"}
)


@dataclass(slots=True, eq=False)
class Request:
    """One request: its environ, and how its body is framed.

    :ivar length: bytes of the body; None for chunks, whose end is not known.
    :ivar minor: of the version that counts: 0 for HTTP/1.0, 1 for HTTP/1.1 and beyond.
    :ivar authority: of a URL as target; it counts instead of Host (RFC 9112, 3.2.2).
    :ivar stream: the body that comes while it is read; None for one that is here.
    :ivar keep_alive: whether the caller may send another request on this connection.
    """

    environ: dict[str, Any]
    verb: str
    minor: int
    authority: str = ""
    length: int | None = 0
    expects_continue: bool = False
    keep_alive: bool = False
    stream: Any = None


class HeadParser:
    """Reads the heads that come to one worker.

    :param secure_headers: of a trusted proxy, as gunicorn's ``secure_scheme_headers``: the key in
        the environ, and the value that says https.
    """

    def __init__(self, secure_headers: dict[str, str]) -> None:
        self._secure_headers = secure_headers
        self._lines: dict[bytes, tuple[str, str]] = {}
        self._hosts: set[str] = set()

    def parse(self, head: bytes, environ: dict[str, Any], *, trusted: bool) -> Request:
        """Return the request whose head this is.

        :param head: without the empty line at its end.
        :param environ: what is so for each request of the connection; it is filled.
        :param trusted: the peer is a proxy whose word on the scheme counts.
        :raises MalformedBody: it is no request.
        :raises HeadersTooLarge: it is over a limit.
        """
        line, _, headers = head.partition(b"\r\n")
        request = _begin(line, environ)
        environ["postern.head"] = headers
        if headers:
            self._add_headers(headers, environ)
        if environ.get("HTTP_HOST") not in self._hosts:
            self._check_host(environ.get("HTTP_HOST"), request.minor)
        if request.authority:
            self._check_host(request.authority, request.minor)
            environ["HTTP_HOST"] = request.authority
        _frame(request, environ)
        if trusted and not self._secure_headers.keys().isdisjoint(environ):
            self._set_scheme(environ)
        return request

    def _add_headers(self, headers: bytes, environ: dict[str, Any]) -> None:
        if len(headers) > MAX_HEAD_BYTES:
            raise HeadersTooLarge(_HEAD_TOO_LARGE)
        lines = headers.split(b"\r\n")
        if len(lines) > MAX_HEADERS:
            raise HeadersTooLarge(f"There are more than {MAX_HEADERS} headers; send fewer.")
        remembered = self._lines
        for line in lines:
            pair = remembered.get(line) or self._read_line(line)
            key, value = pair
            if key in environ:
                value = _join(key, environ[key], value)
            environ[key] = value
        environ.pop("", None)

    def _read_line(self, line: bytes) -> tuple[str, str]:
        """Return key and value; an empty key for a name with ``_``: it could pass for ``-``."""
        if len(line) > MAX_HEADER_BYTES - len(b"\r\n"):
            raise HeadersTooLarge(
                f"A header is over {MAX_HEADER_BYTES} bytes; send a shorter one, or cookie."
            )
        name, colon, value = line.partition(b":")
        value = value.strip(b" \t")
        if not colon or not _NAME.fullmatch(name) or _CONTROL.search(value):
            raise MalformedBody(NOT_HTTP)
        key = name.decode().upper().replace("-", "_")
        if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            key = f"HTTP_{key}"
        pair = ("" if b"_" in name else key), value.decode("latin-1")
        if len(line) <= MAX_REMEMBERED_BYTES and key not in _UNIQUE:
            if len(self._lines) >= MAX_REMEMBERED_LINES:
                self._lines.clear()
            self._lines[line] = pair
        return pair

    def _check_host(self, host: str | None, minor: int) -> None:
        """RFC 9112, 3.2: an HTTP/1.1 request has one valid Host; an HTTP/1.0 one may have none."""
        if not host:
            if minor:
                raise MalformedBody("HTTP/1.1 asks for a Host header; send one.")
            return
        if not _HOST.fullmatch(host):
            raise MalformedBody(
                "The Host header is not a host with or without a port; send such a one."
            )
        if len(self._hosts) >= MAX_REMEMBERED_HOSTS:
            self._hosts.clear()
        self._hosts.add(host)

    def _set_scheme(self, environ: dict[str, Any]) -> None:
        schemes = {
            "https" if set(environ[key].split(",")) == {secure} else "http"
            for key, secure in self._secure_headers.items()
            if key in environ
        }
        if len(schemes) > 1:
            raise MalformedBody(NOT_HTTP)
        environ["wsgi.url_scheme"] = schemes.pop()


def check_trailers(data: bytes) -> None:
    """Refuse malformed trailers, and those that change what was read (RFC 9110, 6.5.1).

    :raises MalformedBody: it is so.
    """
    lines = data.split(b"\r\n")
    names = {line.partition(b":")[0].upper() for line in lines}
    good = all(b":" in line and _NAME.fullmatch(line.partition(b":")[0]) for line in lines)
    if not good or names & _NO_TRAILERS or any(map(_CONTROL.search, lines)):
        raise MalformedBody(NOT_HTTP)


def check_beginning(head: bytes) -> None:
    """Refuse early what can become no good head, however much of it is still to come.

    :raises MalformedBody: it is no request.
    :raises HeadersTooLarge: it is over a limit.
    """
    line, ended, _ = head.partition(b"\r\n")
    if len(line) > MAX_LINE_BYTES:
        raise HeadersTooLarge(_LINE_TOO_LONG)
    if head.count(b"\n") != head.count(b"\r\n"):
        raise MalformedBody(NOT_HTTP)
    if ended:
        _begin(line, {})
    if len(head) > MAX_HEAD_BYTES + len(line):
        raise HeadersTooLarge(_HEAD_TOO_LARGE)


def _begin(line: bytes, environ: dict[str, Any]) -> Request:
    """Read the request line. Raw UTF-8 in a target is percent-encoded, as browsers do.

    ``RAW_URI`` stays as it came, for that is what an app has signed.
    """
    if len(line) > MAX_LINE_BYTES:
        raise HeadersTooLarge(_LINE_TOO_LONG)
    match = _REQUEST_LINE.fullmatch(line)
    if not match:
        raise MalformedBody(NOT_HTTP)
    verb = match[1].decode()
    target = match[2]
    environ["REQUEST_METHOD"] = verb
    environ["RAW_URI"] = target.decode("latin-1")
    environ["SERVER_PROTOCOL"] = f"HTTP/{match[3].decode()}"
    if not target.isascii():
        _check_utf_8(target)
        target = _BEYOND_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], target)
    request = Request(environ, verb, 0 if match[3] == b"1.0" else 1)
    if target[:1] == b"/":
        path, _, query = target.partition(b"#")[0].partition(b"?")
    else:
        path, query = _read_other_form(request, target)
    if b"%" in path:
        path = unquote_to_bytes(path)
    environ["PATH_INFO"] = path.decode("latin-1")
    environ["QUERY_STRING"] = query.decode()
    return request


def _check_utf_8(target: bytes) -> None:
    try:
        target.decode()
    except UnicodeDecodeError as error:
        raise MalformedBody(
            "The request target is not UTF-8; percent-encode what is not ASCII."
        ) from error


def _read_other_form(request: Request, target: bytes) -> tuple[bytes, bytes]:
    """Return path and query of a URL, ``*`` (OPTIONS) or authority (CONNECT) as target."""
    try:
        parts = urlsplit(target)
    except ValueError as error:
        raise MalformedBody(NOT_HTTP) from error
    if request.verb == ("OPTIONS" if target == b"*" else "CONNECT"):
        return target, b""
    if not parts.scheme or not parts.netloc:
        raise MalformedBody(NOT_HTTP)
    request.authority = parts.netloc.decode()
    return parts.path or b"/", parts.query


def _join(key: str, value: str, other: str) -> str:
    """Return what two lines of one name say together."""
    if problem := _SINGLE.get(key):
        raise MalformedBody(problem)
    return f"{value}; {other}" if key == "HTTP_COOKIE" else f"{value},{other}"


def _frame(request: Request, environ: dict[str, Any]) -> None:
    """Say where the body ends, and whether the connection outlives it (RFC 9112, 6.3 and 9.3)."""
    get = environ.get
    keep_alive = request.minor > 0
    if connection := get("HTTP_CONNECTION"):
        options = [option.strip(" \t") for option in connection.lower().split(",")]
        if "close" in options:
            keep_alive = False
        elif "keep-alive" in options:
            keep_alive = True
    request.keep_alive = keep_alive and request.verb != "CONNECT"
    if expect := get("HTTP_EXPECT"):
        if {value.strip(" \t") for value in expect.lower().split(",")} != {"100-continue"}:
            raise MalformedBody(NOT_HTTP)
        request.expects_continue = request.minor > 0
    length = get("CONTENT_LENGTH")
    if (coding := get("HTTP_TRANSFER_ENCODING")) is not None:
        # Another one nobody would undo.
        if coding.lower() != "chunked" or length is not None or not request.minor:
            raise MalformedBody(NOT_HTTP)
        request.length = None
    elif length is not None:
        request.length = _length_of(length)


def _length_of(value: str) -> int:
    if not (value.isascii() and value.isdecimal()):
        raise MalformedBody(NOT_HTTP)
    try:
        return int(value)
    except ValueError as error:  # of more digits than Python reads
        raise MalformedBody(NOT_HTTP) from error
