"""What people get wrong when they sign a request, and which mistake a wrong signature comes from.

>>> lines = ("GET", "/me?q=1", "1700000000", "nonce", EMPTY_BODY_HASH)
>>> find_mistake(SigningRecipe(b"secret", lines, body=b""), signature)
"the path without its query"
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import permutations
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from gateway.catalog.verb_and_path import VERBS

MAX_REORDERED_FIELDS = 5  # of a query; more than these would take too many orders to try
EMPTY_BODY_HASH = hashlib.sha256(b"").hexdigest()
CLOCK_OFFSETS_SECONDS = range(-5, 6)

# The lines that are signed, by place.
VERB, TARGET, TIMESTAMP, NONCE, BODY_HASH = range(5)


class SigningRecipe(NamedTuple):
    """What is signed and how. With its defaults, it is the right way."""

    secret: bytes
    lines: tuple[str, ...]
    body: bytes
    url: str = ""
    separator: str = "\n"
    end: str = ""
    mac: Callable[[bytes, bytes], bytes] = lambda secret, text: hmac.digest(secret, text, "sha256")
    encode: Callable[[bytes], str] = bytes.hex

    def __repr__(self) -> str:
        return f"SigningRecipe(lines={self.lines!r})"  # without the secret

    @property
    def signature(self) -> str:
        text = self.separator.join(line for line in self.lines if line) + self.end
        return self.encode(self.mac(self.secret, text.encode("utf-8", "replace")))

    def with_line(self, index: int, line: str) -> SigningRecipe:
        return self._replace(lines=(*self.lines[:index], line, *self.lines[index + 1 :]))


#: Turns the right recipe into the wrong ones that a mistake can lead to.
Mistake = Callable[[SigningRecipe], Iterable[SigningRecipe]]


def find_mistake(recipe: SigningRecipe, signature: str) -> str | None:
    """Name the mistake, or the two at once, that lead to this signature; None for no known one."""
    for name, mistake in MISTAKES.items():
        if any(wrong.signature == signature for wrong in mistake(recipe)):
            return name
    for (first_name, first), (second_name, second) in permutations(MISTAKES.items(), 2):
        for halfway in first(recipe):
            if any(wrong.signature == signature for wrong in second(halfway)):
                return f"{first_name}, and {second_name}"
    return None


# --- kinds of mistakes


def _line(index: int, change: Callable[[str], str]) -> Mistake:
    return _lines(index, lambda line: [change(line)])


def _lines(index: int, variants: Callable[[str], Iterable[str]]) -> Mistake:
    """Build a mistake that writes one line in other ways."""

    def mistake(recipe: SigningRecipe) -> Iterator[SigningRecipe]:
        line = recipe.lines[index]
        for variant in variants(line):
            if variant != line:
                yield recipe.with_line(index, variant)

    return mistake


def _body(change: Callable[[bytes], bytes]) -> Mistake:
    """Build a mistake that hashes another body than the one sent."""

    def mistake(recipe: SigningRecipe) -> Iterator[SigningRecipe]:
        body = change(recipe.body)
        if body != recipe.body:
            changed = recipe._replace(body=body)
            yield changed.with_line(BODY_HASH, hashlib.sha256(body).hexdigest())

    return mistake


def _way(**changes: Any) -> Mistake:
    return lambda recipe: [recipe._replace(**changes)]


def _mac(algorithm: str) -> Mistake:
    return _way(mac=lambda secret, text: hmac.digest(secret, text, algorithm))


def _rewritten_json(ascii_only: bool, separators: tuple[str, str]) -> Mistake:
    def change(body: bytes) -> bytes:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return body
        text = json.dumps(value, ensure_ascii=ascii_only, separators=separators)
        return text.encode("utf-8", "replace")

    return _body(change)


# --- single mistakes


def _other_timestamp_unit(timestamp: str) -> Iterator[str]:
    if len(timestamp) > 11:
        yield timestamp[:-3]
    else:
        yield from (f"{timestamp}{milliseconds:03}" for milliseconds in range(1000))


def _seconds_around(timestamp: str) -> Iterator[str]:
    if timestamp.isascii() and timestamp.isdecimal():
        yield from (str(int(timestamp) + offset) for offset in CLOCK_OFFSETS_SECONDS)


def _swap_nonce_and_timestamp(recipe: SigningRecipe) -> Iterator[SigningRecipe]:
    swapped = recipe.with_line(TIMESTAMP, recipe.lines[NONCE])
    yield swapped.with_line(NONCE, recipe.lines[TIMESTAMP])


def _reorder_query(target: str) -> Iterator[str]:
    path, mark, query = target.partition("?")
    fields = query.split("&")
    if len(fields) > MAX_REORDERED_FIELDS:
        yield path + mark + "&".join(sorted(fields))
        return
    for order in permutations(fields):
        yield path + mark + "&".join(order)


def _strip_api_prefix(target: str) -> Iterator[str]:
    for prefix in ("/api/v1", "/api"):
        if target.startswith(f"{prefix}/"):
            yield target.removeprefix(prefix)


def _toggle_final_slash(target: str) -> str:
    path, mark, query = target.partition("?")
    if path.endswith("/"):
        return path.removesuffix("/") + mark + query
    return f"{path}/{mark}{query}"


def _hash_to_base64(text: str) -> str:
    """Re-encode a hash in hex; what another mistake put there, such as the body itself, stays."""
    if not re.fullmatch("[0-9A-Fa-f]{64}", text):
        return text
    return base64.b64encode(bytes.fromhex(text)).decode()


def _decode_secret(recipe: SigningRecipe) -> Iterator[SigningRecipe]:
    padded = recipe.secret + b"=" * (-len(recipe.secret) % 4)
    for altchars in (b"-_", b"+/"):
        try:
            yield recipe._replace(secret=base64.b64decode(padded, altchars, validate=True))
        except ValueError:
            continue


#: By the words in which it is reported; the likely ones first.
MISTAKES: dict[str, Mistake] = {
    "the path without its query": _line(TARGET, lambda target: target.partition("?")[0]),
    "the hash of an empty body": _line(BODY_HASH, lambda _: EMPTY_BODY_HASH),
    "the timestamp in milliseconds in one place and in seconds in the other": _lines(
        TIMESTAMP, _other_timestamp_unit
    ),
    "the signature in upper-case hex": _way(encode=lambda mac: mac.hex().upper()),
    "the signature in base64": _way(encode=lambda mac: base64.b64encode(mac).decode()),
    "the body's hash in upper-case hex": _line(BODY_HASH, str.upper),
    "the body's hash in base64": _line(BODY_HASH, _hash_to_base64),
    "no line for the body's hash": _line(BODY_HASH, lambda _: ""),
    "the body itself in place of its hash": lambda recipe: [
        recipe.with_line(BODY_HASH, recipe.body.decode("utf-8", "replace"))
    ],
    "the body with a line break at its end": _body(lambda body: body + b"\n"),
    "the body without the line break at its end": _body(lambda body: body.rstrip(b"\r\n")),
    "the body without any line breaks, as curl -d sends a file": _body(
        lambda body: body.replace(b"\r", b"").replace(b"\n", b"")
    ),
    "the JSON written anew, without spaces": _rewritten_json(False, (",", ":")),
    "the JSON written anew, without spaces and with \\u escapes": _rewritten_json(True, (",", ":")),
    "the JSON written anew, with spaces": _rewritten_json(False, (", ", ": ")),
    "the JSON written anew, with spaces and \\u escapes": _rewritten_json(True, (", ", ": ")),
    "a line break at the end": _way(end="\n"),
    "nothing between the lines": _way(separator=""),
    "\\r\\n between the lines": _way(separator="\r\n"),
    "a backslash and an n between the lines, not a line break": _way(separator="\\n"),
    "the verb in lower case": _line(VERB, str.lower),
    "another verb": _lines(VERB, lambda _: VERBS),
    "a timestamp some seconds before or after": _lines(TIMESTAMP, _seconds_around),
    "no line for the nonce": _line(NONCE, lambda _: ""),
    "no line for the timestamp": _line(TIMESTAMP, lambda _: ""),
    "nonce and timestamp the other way round": _swap_nonce_and_timestamp,
    "the whole URL and not the path": lambda recipe: [
        recipe.with_line(TARGET, recipe.url or recipe.lines[TARGET])
    ],
    "the path without its percent escapes": _line(TARGET, unquote),
    "the path escaped once more": _line(TARGET, lambda target: quote(target, safe="/?&=")),
    "the path without what stands before it, /api/v1": _lines(TARGET, _strip_api_prefix),
    "the query in another order": _lines(TARGET, _reorder_query),
    "a slash more or less at the path's end": _line(TARGET, _toggle_final_slash),
    "a line break at the secret's end": lambda recipe: [
        recipe._replace(secret=recipe.secret + b"\n")
    ],
    "the secret decoded from base64": _decode_secret,
    "SHA-256 over secret and text, and no HMAC": _way(
        mac=lambda key, text: hashlib.sha256(key + text).digest()
    ),
    "secret and text the other way round": _way(
        mac=lambda key, text: hmac.digest(text, key, "sha256")
    ),
    "HMAC-SHA1": _mac("sha1"),
    "HMAC-SHA512": _mac("sha512"),
    "HMAC-MD5": _mac("md5"),
}
