"""What a log line may say: secrets never print, phone numbers lose their last four digits."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from struct import Struct
from urllib.parse import quote

STARS = "****"
SHORTEST = (
    6  # a shorter secret would blank out ordinary words; it still never prints through Secret
)
LONGEST_TEXT = 200  # characters of one parameter that a log line keeps
CATALOGS = (
    16  # whose secrets are remembered; a call may still be on one that was replaced a while ago
)
DEEPEST = 32  # levels of a parameter that are shown
MAX_JSON_TEXT = 65536  # characters of a text that is JSON, and is looked into
REMEMBERED = 64  # fetched tokens; they come and go, so the oldest are forgotten

SECRET_NAMES = (  # of which a name need only have one in it
    "passw|passphrase|secret|token|authorization|api_?key|private_?key|signature"  # noqa: S105
)
_SECRET_NAME = re.compile(rf"{SECRET_NAMES}|^sign$|^sig$|^pwd$", re.I)
_PHONE_NAME = re.compile(r"phone|mobile|^tel$", re.I)
# Chinese mobile numbers, and international ones written with their plus sign; Chinese text needs no space before one.
_PHONE = re.compile(r"(?<![\w.])(\+\d[\d -]{3,12}|1[3-9]\d{5})\d{4}(?!\w)", re.ASCII)


# What a caller may have put into a path by mistake: a JWT (RFC 7519), or 32 random bytes, as secrets of ours are.
_TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|(?<![\w-])[\w-]{43}(?![\w-])", re.ASCII)
SHORTEST_TOKEN = 20  # characters


class Secret:
    """A text that will not print: ``repr(Secret("x"))`` is ``Secret(****)``; ``reveal()`` gives it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Secret({STARS})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class _Needles:
    """Texts to take out of a line. Looking for them takes a time that hardly depends on how many there are.

    A line is cut into blocks. A text of twice a block's length is sure to hold one of them whole, so that a line
    without a block that occurs in any of the texts holds none of them.
    """

    BLOCK = 6
    ROW = Struct(
        f"{BLOCK}s" * 16
    )  # sixteen blocks at a time; Python's own slices would cost five times as much

    def __init__(self, texts: Iterable[str]) -> None:
        block = self.BLOCK
        self._all = sorted(
            {form.encode(errors="replace") for text in texts for form in _forms(text)},
            key=len,
            reverse=True,
        )
        self._short = [each for each in self._all if len(each) < 2 * block - 1]
        long = self._all[: len(self._all) - len(self._short)]
        self._blocks = {
            each[at : at + block] for each in long for at in range(len(each) - block + 1)
        }

    def out_of(self, line: bytes) -> bytes:
        rows = self.ROW.iter_unpack(line + bytes(-len(line) % self.ROW.size))
        for needle in self._short if all(map(self._blocks.isdisjoint, rows)) else self._all:
            if needle in line:
                line = line.replace(needle, STARS.encode())
        return line


class Masker:
    """Knows every secret in use and takes it out of whatever is about to be written.

    Safe under threads: readers see one set of needles, writers replace it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lasting: set[str] = set()
        self._passing: deque[str] = deque(maxlen=REMEMBERED)
        self._catalogs: deque[set[str]] = deque([set()], maxlen=CATALOGS)
        self._needles: _Needles | None = None  # none: not made of what is known now

    def register(self, secret: Secret, *, passing: bool = False, of_catalog: bool = False) -> None:
        """From now on this secret, plain, URL-quoted or JSON-escaped, is taken out of every text and line.

        :param passing: a fetched token, which others will follow; only so many of those are remembered.
        :param of_catalog: of the catalog that the last ``renew`` was for.
        """
        text = secret.reveal()
        with self._lock:
            known = (
                self._passing if passing else self._catalogs[-1] if of_catalog else self._lasting
            )
            if len(text) < SHORTEST or text in known:
                return
            if isinstance(known, deque):
                known.append(text)
            else:
                known.add(text)
            self._needles = None

    def renew(self, secrets: Iterable[Secret]) -> None:
        """These are the secrets of a new catalog. Those of older ones are forgotten in time, as their calls end."""
        with self._lock:
            self._catalogs.append(
                {each.reveal() for each in secrets if len(each.reveal()) >= SHORTEST}
            )
            self._needles = None

    def line(self, line: bytes) -> bytes:
        """A log line without secrets."""
        return (self._needles or self._made()).out_of(line)

    def _made(self) -> _Needles:
        with self._lock:
            self._needles = needles = _Needles(
                {*self._lasting, *self._passing, *chain.from_iterable(self._catalogs)}
            )
            return needles

    def text(self, text: str) -> str:
        """A text without secrets and whole phone numbers."""
        return phones(self.without_secrets(text))

    def without_secrets(self, text: str) -> str:
        return self.line(text.encode(errors="replace")).decode()

    def params(self, params: Mapping[str, object], hidden: frozenset[str]) -> dict[str, object]:
        """Parameters as a log line may show them: ``hidden`` ones and those named like secrets are stars."""
        return {name: self._value(name, value, hidden, DEEPEST) for name, value in params.items()}

    def said(
        self,
        text: str,
        params: Mapping[str, object],
        hidden: frozenset[str],
        most: int = LONGEST_TEXT,
    ) -> str:
        """What was said about a call, without secrets and without what ``params`` would hide of it.

        :param most: characters.
        """
        for value in sorted(_hidden_texts(params, hidden, False), key=len, reverse=True):
            for form in _forms(value):
                text = text.replace(form, STARS)
        text = self.text(text)
        return text if len(text) <= most else text[:most] + "…"

    def _value(self, name: str, value: object, hidden: frozenset[str], levels: int) -> object:
        if name in hidden or _SECRET_NAME.search(name):
            return STARS
        if isinstance(value, Mapping | list) and not levels:
            return "…"
        if isinstance(value, Mapping):
            return {
                key: self._value(str(key), each, hidden, levels - 1) for key, each in value.items()
            }
        if isinstance(value, list):
            return [self._value(name, item, hidden, levels - 1) for item in value[:20]]
        if isinstance(value, str):
            return self._text(name, value, hidden, levels)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) > 10**6:
            text = str(value)
            shown = text[:-4] + STARS if _PHONE_NAME.search(name) else phones(text)
            return value if shown == text else shown
        return value

    def _text(self, name: str, text: str, hidden: frozenset[str], levels: int) -> str:
        if text[:1] in ("{", "[") and levels:
            text = self._json(name, text, hidden, levels)
        if len(text) > LONGEST_TEXT:  # masked before the cut, or half a secret would survive it
            return self.text(text)[:LONGEST_TEXT] + "…"
        return text[:-4] + STARS if _PHONE_NAME.search(name) and len(text) > 6 else phones(text)

    def _json(self, name: str, text: str, hidden: frozenset[str], levels: int) -> str:
        """An object or a list as text, as a query may have it: what is named like a secret in it is stars, too."""
        if len(text) > MAX_JSON_TEXT:
            return STARS
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        shown = self._value(name, value, hidden, levels - 1)
        return text if shown == value else json.dumps(shown, ensure_ascii=False)


def named_secret(name: str) -> bool:
    """Whether a header, or another name, is that of a secret."""
    return bool(_SECRET_NAME.search(name.replace("-", "_"))) or name.lower() == "cookie"


def _hidden_texts(value: object, hidden: frozenset[str], inside: bool) -> Iterator[str]:
    """The texts and numbers of two characters and more that stand under a hidden name."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _hidden_texts(
                each, hidden, inside or name in hidden or bool(_SECRET_NAME.search(name))
            )
    elif isinstance(value, list):
        for each in value:
            yield from _hidden_texts(each, hidden, inside)
    elif inside and isinstance(value, str | int | float) and len(str(value)) > 1:
        yield str(value)


def _forms(text: str) -> tuple[str, ...]:
    """A secret as it may stand in a line: as it is, in a URL, and in a JSON string of either kind."""
    quoted = quote(
        text, safe="", errors="replace"
    )  # a service's JSON may have half a surrogate pair
    return text, quoted, json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1]


def path_shown(path: str) -> str:
    """A request's path as a log line may have it: without tokens and whole phone numbers."""
    return phones(path if len(path) < SHORTEST_TOKEN else _TOKEN.sub(STARS, path))


def phones(text: str) -> str:
    """The text with the last four digits of each phone number in it as stars."""
    return _PHONE.sub(rf"\1{STARS}", text)
