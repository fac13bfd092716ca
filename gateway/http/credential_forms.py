"""The forms in which a credential may stand in an answer, and stars in their place."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

from gateway.masking import STARS

MIN_CHARACTERS = 8
HEAD_BYTES = 4  # by which a form is looked for at the end of a piece
_BASE64_STARS = b64encode(b"***").decode()
_RUN = re.compile("[A-Za-z0-9]{6,}")
_PERCENT = re.compile("%[0-9A-F]{2}")
#: Of what may stand in a URL's query as it is, what one writer or another leaves there.
_LEFT_BY_URL_WRITERS = ("", "/", "+", "=", "/+", "/=", "+=", "/+=", "!*'()", "!*'()/+=:@$,;&?#")


class CredentialForms:
    """The forms in which some texts may stand in an answer.

    :ivar needles: a body without any of these has none of the texts in it, but for escapes of plain
        letters.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        searched = {text for text in texts if len(text) >= MIN_CHARACTERS}
        secrets = sorted(searched, key=len, reverse=True)
        plain = {form for text in secrets for form in _plain_forms(text)}
        cores = [forms for text in secrets for forms in _base64_forms(text.encode())]
        encoded: set[str] = set().union(*cores)
        stars = dict.fromkeys(plain, STARS)
        stars |= {form: _base64_stars(len(form)) for form in encoded - plain}
        self._secrets = frozenset(secrets)
        self._texts = sorted(stars.items(), key=lambda pair: len(pair[0]), reverse=True)
        #: Each form with as many bytes of stars.
        self._bytes = [
            (form.encode(), b"*" * len(form.encode()) if form in plain else star.encode())
            for form, star in self._texts
        ]
        self.plain = [pair for pair in self._bytes if pair[0].decode() in plain]
        self.plain_needles = _needles([_plain_forms(text) for text in secrets])
        self.needles = (*self.plain_needles, *_needles(cores))

    def may_be_in(self, body: bytes, escape_mark: bytes) -> bool:
        """Return whether the body has a needle or an escape, or is UTF-16 or UTF-32."""
        for needle in self.needles:
            if needle in body:
                return True
        return escape_mark in body or b"\0" in body

    def mask_text(self, text: str) -> str:
        for form, star in self._texts:
            if form in text:
                text = text.replace(form, star)
        return text

    def mask_bytes(self, body: bytes) -> bytes:
        if any(needle in body for needle in self.needles):
            for form, star in self._bytes:
                body = body.replace(form, star)
        return body

    def mask_data(self, data: Any, pause: Callable[[], None]) -> Any:
        """Mask JSON values, keys too; without recursion, since an answer may be nested deeply.

        :param pause: called at each list or object.
        """
        root = [data]
        containers: list[Any] = [root]
        while containers:
            pause()
            value = containers.pop()
            if isinstance(value, dict):
                pairs = [
                    (self.mask_text(key), self._scalar(member)) for key, member in value.items()
                ]
                value.clear()
                value.update(pairs)
                members: Iterable[Any] = value.values()
            else:
                value[:] = map(self._scalar, value)
                members = value
            containers.extend(member for member in members if isinstance(member, dict | list))
        return root[0]

    def _scalar(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.mask_text(value)
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return STARS if is_number and str(value) in self._secrets else value


class StreamMask:
    """Masks plain forms in a body's pieces; Base64 would cost as much again as passing them on."""

    def __init__(self, forms: CredentialForms, read: Callable[[], bytes]) -> None:
        self._read = read
        self._needles = forms.plain_needles
        self._pairs = forms.plain
        self._by_head: dict[bytes, list[bytes]] = {}
        for form, _ in forms.plain:
            self._by_head.setdefault(form[:HEAD_BYTES], []).append(form)
        self._head_starts = tuple(
            {head[:length] for head in self._by_head for length in range(1, HEAD_BYTES)}
        )
        self._max_tail_bytes = max(len(form) for form, _ in forms.plain) - 1
        self._tail = b""

    def read(self) -> bytes:
        while piece := self._read():
            if self._tail:
                piece = self._tail + piece
            if any(needle in piece for needle in self._needles):
                for form, star in self._pairs:
                    piece = piece.replace(form, star)
            end = self._safe_end(piece)
            self._tail = piece[end:]
            if end:
                return piece[:end]
        tail = self._tail
        self._tail = b""
        return tail

    def _safe_end(self, piece: bytes) -> int:
        """Return where the bytes begin that the next piece may make a form of, or the end."""
        cut = len(piece)
        for head, forms in self._by_head.items():
            at = piece.find(head, max(0, len(piece) - self._max_tail_bytes))
            while at != -1 and at < cut:
                if any(form.startswith(piece[at:]) for form in forms):
                    cut = at
                at = piece.find(head, at + 1)
        if cut == len(piece) and piece.endswith(self._head_starts):
            cut -= max(len(start) for start in self._head_starts if piece.endswith(start))
        return cut


def _plain_forms(text: str) -> set[str]:
    """Return the text as common writers put it into a URL, a JSON string and HTML, and as it is."""
    quoted = {quote(text, safe=safe) for safe in _LEFT_BY_URL_WRITERS} | {quote_plus(text)}
    lower = {_PERCENT.sub(lambda match: match[0].lower(), form) for form in quoted}
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    slashes = {form.replace("/", "\\/") for form in escaped}
    html = {escape(text), escape(text, quote=False), escape(text).replace("+", "&#43;")}
    html.add(escape(text).replace("/", "&#x2F;").replace("=", "&#x3D;"))
    forms = {text, *quoted, *lower, *escaped, *slashes, *html}
    for digits in ("02X", "02x"):  # as JSON may write any character
        escapes = {ord(special): f"\\u00{ord(special):{digits}}" for special in "+/=&<>'"}
        forms.add(text.translate(escapes))
    return forms


def _base64_forms(raw: bytes) -> Iterator[set[str]]:
    """Yield what every base64 text that encodes it has in it, in both alphabets (RFC 4648, 4, 5).

    There are three, by where it stands in what was encoded.
    """
    for before in range(3):
        encoded = b64encode(bytes(before) + raw).decode()
        end = (0, 3, 2)[(before + len(raw)) % 3]
        core = encoded[(0, 2, 3)[before] : len(encoded) - end]
        yield {core, core.replace("+", "-").replace("/", "_")}


def _base64_stars(length: int) -> str:
    return (_BASE64_STARS * (length // len(_BASE64_STARS) + 1))[:length]


def _needles(spellings: Iterable[Collection[str]]) -> tuple[bytes, ...]:
    """Return texts of which one is in whatever has one of the forms.

    They are letters and digits that all forms of a spelling share, or else all of these.
    """
    needles: set[str] = set()
    for forms in spellings:
        runs = [set(_RUN.findall(form)) for form in forms]
        shared = set.intersection(*runs)
        needles |= {max(shared, key=len)} if shared else set(forms)
    return tuple(needle.encode() for needle in sorted(needles))
