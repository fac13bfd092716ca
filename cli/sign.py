"""``flask app sign``: an app's signature step by step, and what is wrong with another one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

import click
from flask.cli import with_appcontext

from api.auth.app_signature import CLOCK_SKEW, NONCE_LENGTHS, signature_of, signed_text
from api.auth.wiring import auth_services
from api.context import app_state
from cli.accounts import told
from gateway.catalog.schema import VERBS
from gateway.masking import Secret
from models import App

# slips: What people get wrong when they sign a request: each slip makes of the right recipe the one that was followed.

MOST_PARTS = 5  # of a query, whose orders are tried
EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True)
class Recipe:
    """What is signed and how; as it stands, the right way."""

    secret: bytes = field(repr=False)
    lines: tuple[str, ...]  # verb, target, timestamp, nonce, hash of the body
    body: bytes
    url: str = ""
    between: str = "\n"
    end: str = ""
    mac: Callable[[bytes, bytes], bytes] = lambda secret, text: hmac.digest(secret, text, "sha256")
    written: Callable[[bytes], str] = bytes.hex

    @property
    def signature(self) -> str:
        text = self.between.join(line for line in self.lines if line) + self.end
        return self.written(self.mac(self.secret, text.encode("utf-8", "replace")))


Slip = Callable[[Recipe], Iterable[Recipe]]


def explanation(recipe: Recipe, signature: str) -> str | None:
    """In which way, of those known here, this signature was made: one slip, or two at once. None: in no such way."""
    for name, slip in SLIPS.items():
        if any(each.signature == signature for each in slip(recipe)):
            return name
    for (one, first), (other, second) in permutations(SLIPS.items(), 2):
        if any(each.signature == signature for made in first(recipe) for each in second(made)):
            return f"{one}, and {other}"
    return None


def _line(index: int, change: Callable[[str], str]) -> Slip:
    def slip(recipe: Recipe) -> Iterator[Recipe]:
        lines = list(recipe.lines)
        lines[index] = change(lines[index])
        if tuple(lines) != recipe.lines:
            yield replace(recipe, lines=tuple(lines))

    return slip


def _body(change: Callable[[bytes], bytes]) -> Slip:
    def slip(recipe: Recipe) -> Iterator[Recipe]:
        body = change(recipe.body)
        if body != recipe.body:
            yield replace(
                recipe, body=body, lines=(*recipe.lines[:4], hashlib.sha256(body).hexdigest())
            )

    return slip


def _way(**changes: object) -> Slip:
    return lambda recipe: [replace(recipe, **changes)]  # type: ignore[arg-type]


def _mac(algorithm: str) -> Slip:
    return _way(mac=lambda secret, text: hmac.digest(secret, text, algorithm))


def _milliseconds(recipe: Recipe) -> Iterator[Recipe]:
    verb, target, timestamp, *rest = recipe.lines
    known = (
        [timestamp[:-3]]
        if len(timestamp) > 11
        else [f"{timestamp}{part:03}" for part in range(1000)]
    )
    for each in known:
        yield replace(recipe, lines=(verb, target, each, *rest))


def _swapped(recipe: Recipe) -> Iterator[Recipe]:
    verb, target, timestamp, nonce, body = recipe.lines
    yield replace(recipe, lines=(verb, target, nonce, timestamp, body))


def _any(index: int, others: Callable[[str], Iterable[str]]) -> Slip:
    def slip(recipe: Recipe) -> Iterator[Recipe]:
        for other in others(recipe.lines[index]):
            if other != recipe.lines[index]:
                yield replace(
                    recipe, lines=(*recipe.lines[:index], other, *recipe.lines[index + 1 :])
                )

    return slip


def _seconds_around(timestamp: str) -> Iterator[str]:
    if timestamp.isascii() and timestamp.isdecimal():
        yield from (str(int(timestamp) + off) for off in range(-5, 6))


def _orders(target: str) -> Iterator[str]:
    path, mark, query = target.partition("?")
    parts = query.split("&")
    orders = permutations(parts) if len(parts) <= MOST_PARTS else [sorted(parts)]
    yield from (path + mark + "&".join(each) for each in orders)


def _without_prefix(target: str) -> Iterator[str]:
    yield from (
        target.removeprefix(prefix)
        for prefix in ("/api/v1", "/api")
        if target.startswith(f"{prefix}/")
    )


def _plain_slash(target: str) -> str:
    path, mark, query = target.partition("?")
    return (path.removesuffix("/") if path.endswith("/") else f"{path}/") + mark + query


def _base64(text: str) -> str:
    """Of a hash in hex; what another slip left there, such as the body itself, stays."""
    return (
        base64.b64encode(bytes.fromhex(text)).decode()
        if re.fullmatch("[0-9A-Fa-f]{64}", text)
        else text
    )


def _decoded_secret(recipe: Recipe) -> Iterator[Recipe]:
    padded = recipe.secret + b"=" * (-len(recipe.secret) % 4)
    for altchars in (b"-_", b"+/"):
        try:
            yield replace(recipe, secret=base64.b64decode(padded, altchars, validate=True))
        except ValueError:
            continue


def _json(ascii_only: bool, separators: tuple[str, str]) -> Slip:
    def change(body: bytes) -> bytes:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            return body
        text = json.dumps(value, ensure_ascii=ascii_only, separators=separators)
        return text.encode("utf-8", "replace")

    return _body(change)


SLIPS: dict[str, Slip] = {
    "the path without its query": _line(1, lambda target: target.partition("?")[0]),
    "the hash of an empty body": _line(4, lambda _: EMPTY),
    "the timestamp in milliseconds in one place and in seconds in the other": _milliseconds,
    "the signature in upper-case hex": _way(written=lambda mac: mac.hex().upper()),
    "the signature in base64": _way(written=lambda mac: base64.b64encode(mac).decode()),
    "the body's hash in upper-case hex": _line(4, str.upper),
    "the body's hash in base64": _line(4, _base64),
    "no line for the body's hash": _line(4, lambda _: ""),
    "the body itself in place of its hash": lambda recipe: [
        replace(recipe, lines=(*recipe.lines[:4], recipe.body.decode("utf-8", "replace")))
    ],
    "the body with a line break at its end": _body(lambda body: body + b"\n"),
    "the body without the line break at its end": _body(lambda body: body.rstrip(b"\r\n")),
    "the body without any line breaks, as curl -d sends a file": _body(
        lambda body: body.replace(b"\r", b"").replace(b"\n", b"")
    ),
    "the JSON written anew, without spaces": _json(False, (",", ":")),
    "the JSON written anew, without spaces and with \\u escapes": _json(True, (",", ":")),
    "the JSON written anew, with spaces": _json(False, (", ", ": ")),
    "the JSON written anew, with spaces and \\u escapes": _json(True, (", ", ": ")),
    "a line break at the end": _way(end="\n"),
    "nothing between the lines": _way(between=""),
    "\\r\\n between the lines": _way(between="\r\n"),
    "a backslash and an n between the lines, not a line break": _way(between="\\n"),
    "the verb in lower case": _line(0, str.lower),
    "another verb": _any(0, lambda _: VERBS),
    "a timestamp some seconds before or after": _any(2, _seconds_around),
    "no line for the nonce": _line(3, lambda _: ""),
    "no line for the timestamp": _line(2, lambda _: ""),
    "nonce and timestamp the other way round": _swapped,
    "the whole URL and not the path": lambda recipe: [
        replace(recipe, lines=(recipe.lines[0], recipe.url or recipe.lines[1], *recipe.lines[2:]))
    ],
    "the path without its percent escapes": _line(1, unquote),
    "the path escaped once more": _line(1, lambda target: quote(target, safe="/?&=")),
    "the path without what stands before it, /api/v1": _any(1, _without_prefix),
    "the query in another order": _any(1, _orders),
    "a slash more or less at the path's end": _line(1, _plain_slash),
    "a line break at the secret's end": lambda recipe: [
        replace(recipe, secret=recipe.secret + b"\n")
    ],
    "the secret decoded from base64": _decoded_secret,
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


# signing: ``flask app sign``: an app's signature step by step, and what is wrong with another one.

VARIABLE = "APP_SECRET"
WIRE = "!#$%&'()*+,/:;=?@[]~"


@click.command("sign")
@click.argument("verb", metavar="METHOD")
@click.argument("path")
@click.option("--app", "app_id", metavar="APPID", help="Whose secret, out of the database.")
@click.option("--body", type=click.File("rb"), help="The file that is sent; - for stdin.")
@click.option("--timestamp", help="What X-Timestamp says; now unless given.")
@click.option("--nonce", help="What X-Nonce says; a new one unless given.")
@click.option(
    "--signature", help="What X-Signature says: is it right, and if not, which part differs?"
)
@with_appcontext
def sign(
    verb: str, path: str, app_id: str | None, body: BinaryIO | None, **given: str | None
) -> None:
    """Show how METHOD PATH is signed: the text, the hash, the result.

    The secret is that of --app; else the variable APP_SECRET's; else it is asked for. It is never shown.
    """
    url, target = _target(path)
    content = body.read() if body else b""
    clock = auth_services().clock
    timestamp = given["timestamp"] or str(int(clock.wall()))
    nonce = given["nonce"] or secrets.token_hex(16)
    found = _secrets(app_id)
    lines = (verb.upper(), target, timestamp, nonce, hashlib.sha256(content).hexdigest())
    right = [signature_of(secret, signed_text(*lines)) for secret in found]
    _explain(lines, content, right[0], app_id)
    for note in _notes(timestamp, nonce, clock.wall()):
        click.echo(f"note: {note}")
    if given["signature"] is not None:
        recipes = [Recipe(secret.reveal().encode(), lines, content, url) for secret in found]
        _compare(given["signature"], right, recipes)


def _target(path: str) -> tuple[str, str]:
    """The URL, if one was given, and path and query as they go over the wire."""
    parts_ = urlsplit(path)
    target = (
        path
        if path.startswith("/")
        else f"{parts_.path or '/'}{f'?{parts_.query}' if parts_.query else ''}"
    )
    if not (path.startswith("/") or (parts_.scheme and parts_.netloc)):
        raise click.BadParameter("must begin with /, or be a URL", param_hint="PATH")
    return "" if path.startswith("/") else path, quote(target.partition("#")[0], safe=WIRE)


def _secrets(app_id: str | None) -> list[Secret]:
    """Those that may sign, the newest first."""
    if app_id:
        with told(""), app_state().database.reading() as session:
            app = App.named(session, app_id)
        if app is None:
            raise click.ClickException(f"there is no app {app_id}")
        sealed = [each for each in (app.secret, app.previous_secret) if each]
        opened = [secret for each in sealed if (secret := auth_services().app_secrets.open(each))]
        if opened:
            return opened
        click.echo(f"note: the secret of {app_id} was sealed with a key that is gone", err=True)
    text = app_state().settings.environ.get(VARIABLE) or click.prompt(
        "Secret", hide_input=True, err=True
    )
    return [Secret(text)]


def _explain(lines: tuple[str, ...], content: bytes, signature: str, app_id: str | None) -> None:
    labels = ("method", "path and query", "timestamp", "nonce", "SHA-256 of the body")
    click.echo(
        f"1. SHA-256 of the body ({len(content)} bytes), in lower-case hex:\n     {lines[4]}"
    )
    click.echo("2. The text to sign: five lines, joined by \\n, with none at the end:")
    for line, label in zip(lines, labels, strict=True):
        click.echo(f"     {line}    <- {label}")
    click.echo(
        f"3. HMAC-SHA256 of that with the secret (as UTF-8), in lower-case hex:\n     {signature}"
    )
    click.echo("4. The headers to send:")
    click.echo(
        f"     X-App-Id: {app_id or 'APPID'}\n     X-Timestamp: {lines[2]}\n     X-Nonce: {lines[3]}"
    )
    click.echo(f"     X-Signature: {signature}")


def _notes(timestamp: str, nonce: str, now: float) -> Iterator[str]:
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        yield "X-Timestamp must be Unix time in seconds; as it is, the answer is -2005"
    elif abs(now - int(timestamp)) > CLOCK_SKEW:
        yield f"X-Timestamp is {abs(now - int(timestamp)):.0f} s off; by more than {CLOCK_SKEW}, the answer is -2005"
    if len(nonce) not in NONCE_LENGTHS:
        yield f"X-Nonce must be {NONCE_LENGTHS[0]} to {NONCE_LENGTHS[-1]} characters; as it is, the answer is -2005"


def _compare(signature: str, right: list[str], recipes: list[Recipe]) -> None:
    if signature in right:
        which = "" if signature == right[0] else ", with the app's older secret"
        click.echo(f"5. The given signature is right{which}.")
        return
    click.echo("5. The given signature is wrong.")
    if (bare := signature.strip()) in right:
        click.echo("   There is white space around it.")
    elif slip := next(filter(None, (explanation(recipe, bare) for recipe in recipes)), None):
        click.echo(f"   It is what one gets with: {slip}.")
    else:
        click.echo(
            "   It comes of none of the usual slips. Compare step 2 with the text that was signed, line by line;"
        )
        click.echo("   if that is the same, the secret is another.")
    raise SystemExit(1)
