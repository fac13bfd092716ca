"""What a log line may say: secrets never print, phone numbers lose their last four digits."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, islice
from struct import Struct
from urllib.parse import quote

from schemas.numbers import ExactNumber

STARS = "****"
#: A shorter secret would blank out ordinary words; it still never prints through ``Secret``.
MIN_SECRET_CHARACTERS = 6
MAX_PARAM_CHARACTERS = 200  # of one parameter in a log line
MAX_LIST_ITEMS = 20  # of a parameter in a log line
MAX_MEMBERS = 100  # of an object in a log line
MAX_DEPTH = 32  # levels of a parameter in a log line
MAX_HIDDEN_TEXTS = 1000  # of one call that are looked for in a text about it
MAX_JSON_CHARACTERS = 65536  # of a text that is JSON, and is looked into
#: Whose secrets are remembered: a call may still be on one that was replaced a while ago.
MAX_CATALOGS = 16
MAX_TEMPORARY_SECRETS = 64  # fetched tokens come and go, so the oldest are forgotten

SECRET_NAMES = (  # of which a name need only have one in it
    "passw|passphrase|secret|token|authorization|api[_-]?key|private[_-]?key|signature"  # noqa: S105
)
_SECRET_NAME = re.compile(rf"{SECRET_NAMES}|^sign$|^sig$|^pwd$", re.I)
_SECRETS_OWN_NAME = re.compile(rf"(?:{SECRET_NAMES}|pwd)(?:ord|d|[_-]?key|[_-]?id)?\Z", re.I)
_PHONE_NAME = re.compile(r"phone|mobile|^tel$", re.I)
# Chinese mobile numbers, before which Chinese text needs no space, and those with a plus sign.
_PHONE = re.compile(r"(?<![\w.])(\+\d[\d -]{3,12}|1[3-9]\d{5})\d{4}(?!\w)", re.ASCII)
_PHONE_MASKED_DIGITS = 4
MAX_PLAIN_NUMBER = 10**6  # a larger one may be a phone number

# What a caller may have put into a path by mistake: a JWT (RFC 7519), or 32 random bytes, as
# secrets of ours are.
_TOKEN = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|(?<![\w-])[\w-]{43}(?![\w-])", re.ASCII)
MIN_TOKEN_CHARACTERS = 20
MAX_REMEMBERED_CHARACTERS = 256  # of a path


class Secret:
    """A text that will not print: its ``repr`` is ``Secret(****)``; ``reveal()`` returns it."""

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
    """Texts to take out of a line, in a time that hardly depends on how many they are.

    A line is cut into blocks. A text of twice a block's length holds one of them whole, so a line
    without a block that occurs in any text holds none. A few texts are looked for one by one, which
    takes less time than to cut the line.
    """

    FEW = 8
    BLOCK_BYTES = 6
    #: Sixteen blocks at a time; Python's own slices would cost five times as much.
    ROW = Struct(f"{BLOCK_BYTES}s" * 16)

    def __init__(self, texts: Iterable[str]) -> None:
        block = self.BLOCK_BYTES
        needles = {form.encode(errors="replace") for text in texts for form in _forms(text)}
        self._all = sorted(needles, key=len, reverse=True)
        self._short = [needle for needle in self._all if len(needle) < 2 * block - 1]
        if len(needles) <= self.FEW:
            self._short = self._all
        long_needles = self._all[: len(self._all) - len(self._short)]
        self._blocks = {
            needle[start : start + block]
            for needle in long_needles
            for start in range(len(needle) - block + 1)
        }

    def remove_from(self, line: bytes) -> bytes:
        needles = self._short
        if self._blocks:
            rows = self.ROW.iter_unpack(line + bytes(-len(line) % self.ROW.size))
            if not all(map(self._blocks.isdisjoint, rows)):
                needles = self._all
        for needle in needles:
            if needle in line:
                line = line.replace(needle, STARS.encode())
        return line


class Masker:
    """Takes secrets out of what is written; readers see one set of needles, writers replace it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._permanent: set[str] = set()
        self._temporary: deque[str] = deque(maxlen=MAX_TEMPORARY_SECRETS)
        self._catalogs: deque[set[str]] = deque([set()], maxlen=MAX_CATALOGS)
        self._needles: _Needles | None = None  # made when a line is masked, from all secrets

    def register(
        self, secret: Secret, *, temporary: bool = False, of_catalog: bool = False
    ) -> None:
        """Take this secret, plain, URL-quoted or JSON-escaped, out of every text from now on.

        :param temporary: a fetched token; only the last of those are remembered.
        :param of_catalog: of the catalog that ``use_catalog_secrets`` was last called for.
        """
        text = secret.reveal()
        if len(text) < MIN_SECRET_CHARACTERS:
            return
        with self._lock:
            if temporary:
                if text in self._temporary:
                    return
                self._temporary.append(text)
            else:
                secrets = self._catalogs[-1] if of_catalog else self._permanent
                if text in secrets:
                    return
                secrets.add(text)
            self._needles = None

    def use_catalog_secrets(self, secrets: Iterable[Secret]) -> None:
        """Add the secrets of a new catalog; those of older ones are forgotten in time."""
        texts = {secret.reveal() for secret in secrets}
        with self._lock:
            self._catalogs.append({text for text in texts if len(text) >= MIN_SECRET_CHARACTERS})
            self._needles = None

    def mask_line(self, line: bytes) -> bytes:
        """Return a log line without secrets."""
        return (self._needles or self._make_needles()).remove_from(line)

    def _make_needles(self) -> _Needles:
        with self._lock:
            secrets = {*self._permanent, *self._temporary, *chain.from_iterable(self._catalogs)}
            self._needles = needles = _Needles(secrets)
            return needles

    def mask_text(self, text: str) -> str:
        """Return a text without secrets and whole phone numbers."""
        return mask_phones(self.mask_secrets(text))

    def mask_secrets(self, text: str) -> str:
        return self.mask_line(text.encode(errors="replace")).decode()

    def mask_params(
        self, params: Mapping[str, object], hidden: frozenset[str]
    ) -> dict[str, object]:
        """Return parameters with stars for ``hidden`` ones and those named like secrets."""
        masked = {}
        for name, value in params.items():
            masked[name] = self._value(name, value, hidden, MAX_DEPTH)
        return masked

    def mask_call_text(
        self,
        text: str,
        params: Mapping[str, object],
        hidden: frozenset[str],
        max_characters: int = MAX_PARAM_CHARACTERS,
    ) -> str:
        """Return a text about a call without secrets and what ``mask_params`` hides."""
        hidden_texts: set[str] = set()
        for value in _hidden_texts(params, hidden, False):
            hidden_texts.add(value)
            if len(hidden_texts) > MAX_HIDDEN_TEXTS:
                return STARS  # to look for each would take seconds
        for value in sorted(hidden_texts, key=len, reverse=True):
            for form in _forms(value):
                text = text.replace(form, STARS)
        text = self.mask_text(text)
        return text if len(text) <= max_characters else text[:max_characters] + "…"

    def _value(self, name: str, value: object, hidden: frozenset[str], levels: int) -> object:
        if name in hidden or _SECRET_NAME.search(name):
            return STARS
        if isinstance(value, str):
            return self._text(name, value, hidden, levels)
        if isinstance(value, int | float | ExactNumber):
            return value if abs(value) <= MAX_PLAIN_NUMBER else _number(name, value)
        if value is None:
            return None
        if isinstance(value, Mapping | list) and not levels:
            return "…"
        if isinstance(value, Mapping):
            members = islice(value.items(), MAX_MEMBERS)
            return {key: self._value(str(key), item, hidden, levels - 1) for key, item in members}
        if isinstance(value, list):
            return [self._value(name, item, hidden, levels - 1) for item in value[:MAX_LIST_ITEMS]]
        return value

    def _text(self, name: str, text: str, hidden: frozenset[str], levels: int) -> str:
        if text[:1] in ("{", "[") and levels:
            text = self._json(name, text, hidden, levels)
        if len(text) > MAX_PARAM_CHARACTERS:
            # Masked before the cut, or half a secret would be left.
            return self.mask_text(text)[:MAX_PARAM_CHARACTERS] + "…"
        if len(text) > 6 and _PHONE_NAME.search(name):
            return text[:-_PHONE_MASKED_DIGITS] + STARS
        return _PHONE.sub(_star_phone, text)

    def _json(self, name: str, text: str, hidden: frozenset[str], levels: int) -> str:
        """Mask an object or a list given as text, as a query may have it."""
        if len(text) > MAX_JSON_CHARACTERS:
            return STARS
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return text
        masked = self._value(name, value, hidden, levels - 1)
        return text if masked == value else json.dumps(masked, ensure_ascii=False)


def is_secret_name(name: str) -> bool:
    """Return whether a header, or another name, is that of a secret."""
    return bool(_SECRET_NAME.search(name)) or name.lower() == "cookie"


def names_a_secret(name: str) -> bool:
    """Return whether it is the secret itself that has the name: not a ``token_type``."""
    return bool(_SECRETS_OWN_NAME.search(name))


def mask_path(path: str) -> str:
    """Return a request's path as a log line may have it: without tokens and whole phone numbers."""
    if len(path) <= MAX_REMEMBERED_CHARACTERS:
        return _mask_known_path(path)
    return _mask_path(path)


def _mask_path(path: str) -> str:
    if len(path) >= MIN_TOKEN_CHARACTERS:
        path = _TOKEN.sub(STARS, path)
    return mask_phones(path)


_mask_known_path = lru_cache(maxsize=1024)(_mask_path)  # most requests are for few paths


def mask_phones(text: str) -> str:
    """Return the text with the last four digits of each phone number in it as stars."""
    return _PHONE.sub(_star_phone, text)


def _star_phone(match: re.Match[str]) -> str:
    return match[1] + STARS


def _number(name: str, number: float | ExactNumber) -> object:
    """Return a large number as it is, unless it is a phone number."""
    text = str(number)
    if _PHONE_NAME.search(name):
        return text.partition(".")[0][:-_PHONE_MASKED_DIGITS] + STARS
    masked = mask_phones(text)
    return number if masked == text else masked


def _hidden_texts(value: object, hidden: frozenset[str], inside: bool) -> Iterator[str]:
    """Yield the texts and numbers of two characters and more that stand under a hidden name."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            hides = inside or name in hidden or bool(_SECRET_NAME.search(name))
            yield from _hidden_texts(item, hidden, hides)
    elif isinstance(value, list):
        for item in value:
            yield from _hidden_texts(item, hidden, inside)
    elif inside and isinstance(value, str | int | float | ExactNumber) and len(str(value)) > 1:
        yield str(value)


def _forms(text: str) -> tuple[str, ...]:
    """Return a secret as a line may hold it: plain, in a URL, in a JSON string of either kind."""
    quoted = quote(text, safe="", errors="replace")  # a service's JSON may have half a surrogate
    return text, quoted, json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1]
