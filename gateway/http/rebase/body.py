"""A service's base URL at the beginning of string values in JSON, while the body passes.

JSON is not parsed: in it, a quote that no backslash precedes and a letter follows begins a string.
All other bytes pass as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from gateway.streams import Pairs

MAX_STRING_BYTES = 8192  # of a string after a comma: a longer one is no key, and is not waited for
_BLANKS = b" \t\r\n"
#: What may follow a base URL: the string's end, a path, a query or a fragment.
_AFTER = rb'(?=["/?#]|\\/|\\u00(?:2[fF3]|3[fF]))'
_STRING_END = re.compile(rb'(?:[^"\\]|\\.)*"[ \t\r\n]*([:,\]}])', re.DOTALL)
_CUT_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ESCAPE = re.compile(rb"\\u00([0-9a-fA-F]{2})")
#: Of an answer whose bytes change: what says how many they are, or what their hash is.
_HEADERS_OF_BYTES = frozenset(
    {"content-length", "accept-ranges", "content-md5", "digest", "content-digest", "repr-digest"}
)


class BodyRebaser:
    """Finds a service's base URLs in JSON."""

    def __init__(self, urls: Iterable[str]) -> None:
        prefixes = {prefix for url in urls for prefix in _spellings(url)}
        patterns = [
            _pattern(*prefix) for prefix in sorted(prefixes, key=lambda parts: -len("".join(parts)))
        ]
        self.pattern = re.compile(rb'(?<!\\)"(' + b"|".join(patterns) + rb")" + _AFTER)
        self.texts = tuple("".join(prefix).lower().encode() for prefix in prefixes)
        self.max_bytes = max(map(len, self.texts)) * len("\\u0000") + len('"\\u0000')

    def of_answer(self, verb: str, status: int, headers: Pairs, gate_url: str) -> BodyRebase | None:
        """Return what rewrites this answer; None where it is not JSON, encoded, or a part."""
        by_name = {name.lower(): value.lower() for name, value in headers}
        encoding = by_name.get("content-encoding", "identity")
        if status == 206 or "json" not in by_name.get("content-type", "") or encoding != "identity":
            return None
        return BodyRebase(self, gate_url, has_body=verb != "HEAD")


class BodyRebase:
    """Rewrites one answer.

    :param gate_url: the service's URL at the gate, as the caller sees it.
    """

    def __init__(self, rebaser: BodyRebaser, gate_url: str, *, has_body: bool) -> None:
        self._rebaser = rebaser
        self._has_body = has_body
        self._gate = json.dumps(gate_url)[1:-1].encode()
        self._tail = b""  # bytes that the next piece may make a base URL, or a key, of
        self._before = b""  # the last byte before them that is no blank

    def headers(self, headers: Pairs) -> Pairs:
        """Return the answer's headers without what says how many bytes there are."""
        return tuple(pair for pair in headers if pair[0].lower() not in _HEADERS_OF_BYTES)

    def whole(self, body: bytes, headers: Pairs) -> tuple[bytes, Pairs]:
        """Return a body that is here already, and its headers with its length."""
        body = self._feed(body, is_last=True)
        if self._has_body:
            headers = (*headers, ("Content-Length", str(len(body))))
        return body, headers

    def stream(self, read: Callable[[], bytes]) -> Callable[[], bytes]:
        """Return what reads the next piece; its last bytes wait while they may begin a URL."""

        def read_rebased() -> bytes:
            while piece := read():
                if rebased := self._feed(self._tail + piece, is_last=False):
                    return rebased
            last = self._tail
            self._tail = b""
            return self._feed(last, is_last=True)

        return read_rebased

    def _feed(self, data: bytes, *, is_last: bool) -> bytes:
        pieces: list[bytes] = []
        start = 0
        end = len(data) if is_last else self._safe_end(data)
        for match in self._rebaser.pattern.finditer(data):
            quote = match.start()
            if quote >= end:
                break
            is_value = self._is_value(data, quote, is_last=is_last)
            if is_value is None:
                end = quote
                break
            if is_value:
                gate = self._gate.replace(b"/", b"\\/") if b"\\/" in match[1] else self._gate
                pieces += (data[start : quote + 1], gate)
                start = match.end()
        pieces.append(data[start:end])
        self._tail = data[end:]
        self._before = data[:end].rstrip(_BLANKS)[-1:] or self._before
        return b"".join(pieces)

    def _is_value(self, data: bytes, quote: int, *, is_last: bool) -> bool | None:
        """Return whether the string that begins there is a value; None while that is to come."""
        at = quote
        while at and data[at - 1] in _BLANKS:
            at -= 1
        before = data[at - 1 : at] if at else self._before
        if before != b",":  # behind which a list's next item stands, or an object's next key
            return before in (b":", b"[", b"")
        match = _STRING_END.match(data, quote + 1)
        if match:
            return match[1] != b":"
        return True if is_last or len(data) - quote > MAX_STRING_BYTES else None

    def _safe_end(self, data: bytes) -> int:
        """Return where the bytes begin that the next piece may make a base URL of, or the end."""
        # Behind a last backslash, a quote that follows would seem to begin a string.
        end = len(data) - data.endswith(b"\\")
        quote = data.rfind(b'"')
        if quote == -1 or len(data) - quote > self._rebaser.max_bytes:
            return end
        if data[quote - 1 : quote] == b"\\":
            return end
        tail = _CUT_ESCAPE.sub(b"", data[quote + 1 :]).replace(b"\\/", b"/")
        tail = _ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), tail).lower()
        may_begin = any(text.startswith(tail) for text in self._rebaser.texts)
        return quote if may_begin else end


def _spellings(url: str) -> Iterable[tuple[str, str]]:
    """Yield scheme with authority, and path, of each way to write the same base URL.

    A service asked by TLS may call itself plain HTTP, where a proxy of its own ends TLS.
    """
    parts = urlsplit(url)
    authority = parts.netloc
    path = parts.path.rstrip("/")
    schemes = {parts.scheme: ""}
    if parts.port in (None, 443) and parts.scheme == "https":
        schemes = {"https": ":443", "http": ":80"}
    elif parts.port in (None, 80) and parts.scheme == "http":
        schemes = {"http": ":80"}
    for scheme, port in schemes.items():
        host = authority.removesuffix(port)
        for spelled in {host, host + port}:
            yield f"{scheme}://{spelled}", path


def _pattern(origin: str, path: str) -> bytes:
    """Return a regular expression for all spellings of a URL in JSON; hosts have no case."""
    letters = [_letter_pattern(letter, {letter.lower(), letter.upper()}) for letter in origin]
    return "".join([*letters, *[_letter_pattern(letter, {letter}) for letter in path]]).encode()


def _letter_pattern(letter: str, cases: Iterable[str]) -> str:
    forms = [re.escape(case) for case in sorted(cases)]
    for case in sorted(cases):
        forms.append(rf"\\u00(?i:{ord(case):02x})")
    if letter == "/":
        forms.append(r"\\/")
    return f"(?:{'|'.join(forms)})"
