"""``flask app sign``: an app's signature step by step, and what is wrong with another one."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote, urlsplit

import click
from flask.cli import with_appcontext

from api.app_signature import signature_of, signed_text
from api.identity import identity
from api.parts import parts
from api.signatures import CLOCK_SKEW, NONCE_LENGTHS
from cli.accounts import told
from cli.slips import Recipe, explanation
from gateway.masking import Secret
from models import App

VARIABLE = "APP_SECRET"
WIRE = "!#$%&'()*+,/:;=?@[]~"


@click.command("sign")
@click.argument("verb", metavar="METHOD")
@click.argument("path")
@click.option("--app", "app_id", metavar="APPID", help="Whose secret, out of the database.")
@click.option("--body", type=click.File("rb"), help="The file that is sent; - for stdin.")
@click.option("--timestamp", help="What X-Timestamp says; now unless given.")
@click.option("--nonce", help="What X-Nonce says; a new one unless given.")
@click.option("--signature", help="What X-Signature says: is it right, and if not, which part differs?")
@with_appcontext
def sign(verb: str, path: str, app_id: str | None, body: BinaryIO | None, **given: str | None) -> None:
    """Show how METHOD PATH is signed: the text, the hash, the result.

    The secret is that of --app; else the variable APP_SECRET's; else it is asked for. It is never shown.
    """
    url, target = _target(path)
    content = body.read() if body else b""
    clock = identity().clock
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
    target = path if path.startswith("/") else f"{parts_.path or '/'}{f'?{parts_.query}' if parts_.query else ''}"
    if not (path.startswith("/") or (parts_.scheme and parts_.netloc)):
        raise click.BadParameter("must begin with /, or be a URL", param_hint="PATH")
    return "" if path.startswith("/") else path, quote(target.partition("#")[0], safe=WIRE)


def _secrets(app_id: str | None) -> list[Secret]:
    """Those that may sign, the newest first."""
    if app_id:
        with told(""), parts().database.reading() as session:
            app = App.named(session, app_id)
        if app is None:
            raise click.ClickException(f"there is no app {app_id}")
        sealed = [each for each in (app.secret, app.previous_secret) if each]
        opened = [secret for each in sealed if (secret := identity().app_secrets.open(each))]
        if opened:
            return opened
        click.echo(f"note: the secret of {app_id} was sealed with a key that is gone", err=True)
    text = parts().settings.environ.get(VARIABLE) or click.prompt("Secret", hide_input=True, err=True)
    return [Secret(text)]


def _explain(lines: tuple[str, ...], content: bytes, signature: str, app_id: str | None) -> None:
    labels = ("method", "path and query", "timestamp", "nonce", "SHA-256 of the body")
    click.echo(f"1. SHA-256 of the body ({len(content)} bytes), in lower-case hex:\n     {lines[4]}")
    click.echo("2. The text to sign: five lines, joined by \\n, with none at the end:")
    for line, label in zip(lines, labels, strict=True):
        click.echo(f"     {line}    <- {label}")
    click.echo(f"3. HMAC-SHA256 of that with the secret (as UTF-8), in lower-case hex:\n     {signature}")
    click.echo("4. The headers to send:")
    click.echo(f"     X-App-Id: {app_id or 'APPID'}\n     X-Timestamp: {lines[2]}\n     X-Nonce: {lines[3]}")
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
