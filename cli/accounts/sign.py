"""``flask app sign``: an app's signature step by step, and what is wrong with another one."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterator
from typing import BinaryIO
from urllib.parse import quote, urlsplit

import click

from api.auth.app_signature import MAX_SKEW_SECONDS, NONCE_LENGTHS, signature_of, signed_text
from api.context import app_state
from cli.accounts import load_auth, read_session
from cli.accounts.apps import app_cli
from cli.accounts.signature_mistakes import SigningRecipe, find_mistake
from cli.files import OpenFileArgument
from gateway.masking import Secret
from models import App

VARIABLE = "APP_SECRET"
UNESCAPED_CHARACTERS = "!#$%&'()*+,/:;=?@[]~"  # as the server takes them from the wire


@app_cli.command("sign")
@click.argument("verb", metavar="METHOD")
@click.argument("path")
@click.option("--app", "app_id", metavar="APPID", help="Whose secret, out of the database.")
@click.option("--body", type=OpenFileArgument("rb"), help="The file that is sent; - for stdin.")
@click.option("--timestamp", help="What X-Timestamp says; now unless given.")
@click.option("--nonce", help="What X-Nonce says; a new one unless given.")
@click.option(
    "--signature",
    help="What X-Signature says: is it right, and if not, which part differs? Needs --timestamp and"
    " --nonce.",
)
def sign(
    verb: str, path: str, app_id: str | None, body: BinaryIO | None, **headers: str | None
) -> None:
    """Show how METHOD PATH is signed: the text, the hash, the result.

    The secret is that of --app; else the variable APP_SECRET's; else it is asked for. It is never
    shown.
    """
    if headers["signature"] is not None and not (headers["timestamp"] and headers["nonce"]):
        raise click.UsageError(
            "--signature needs both --timestamp and --nonce, as they were sent with it: it is made"
            " with them"
        )
    url, target = _split_url(path)
    content = body.read() if body else b""
    now = load_auth().clock.wall()
    timestamp = headers["timestamp"] or str(int(now))
    nonce = headers["nonce"] or secrets.token_hex(16)
    usable_secrets = _secrets(app_id)
    lines = (verb.upper(), target, timestamp, nonce, hashlib.sha256(content).hexdigest())
    signatures = [signature_of(secret, signed_text(*lines)) for secret in usable_secrets]
    _show_steps(lines, content, signatures[0], app_id)
    for note in _notes(timestamp, nonce, now):
        click.echo(f"note: {note}")
    if headers["signature"] is not None:
        recipes = [
            SigningRecipe(secret.reveal().encode(), lines, content, url)
            for secret in usable_secrets
        ]
        _compare(headers["signature"], signatures, recipes)


def _split_url(path: str) -> tuple[str, str]:
    """Return the URL, if PATH is one, and path and query as they go over the wire."""
    if path.startswith("/"):
        return "", _to_wire(path)
    url = urlsplit(path)
    if not (url.scheme and url.netloc):
        raise click.BadParameter("must begin with /, or be a URL", param_hint="PATH")
    target = url.path or "/"
    if url.query:
        target += f"?{url.query}"
    return path, _to_wire(target)


def _to_wire(target: str) -> str:
    return quote(target.partition("#")[0], safe=UNESCAPED_CHARACTERS)


def _secrets(app_id: str | None) -> list[Secret]:
    """Return the secrets that may sign, the newest first."""
    if app_id:
        stored = _stored_secrets(app_id)
        if stored:
            return stored
        click.echo(f"note: the secret of {app_id} was sealed with a key that is gone", err=True)
    text = app_state().settings.environ.get(VARIABLE)
    return [Secret(text or click.prompt("Secret", hide_input=True, err=True))]


def _stored_secrets(app_id: str) -> list[Secret]:
    with read_session() as session:
        app = App.by_app_id(session, app_id)
    if app is None:
        raise click.ClickException(f"there is no app {app_id}")
    if app.disabled:
        click.echo(
            f"note: {app_id} is disabled, so what it signs is refused (-1002); "
            f"try: flask app enable {app_id}",
            err=True,
        )
    sealed = [secret for secret in (app.secret, app.previous_secret) if secret]
    opened = [load_auth().app_secrets.unseal(secret) for secret in sealed]
    return [secret for secret in opened if secret]


def _show_steps(lines: tuple[str, ...], content: bytes, signature: str, app_id: str | None) -> None:
    _, _, timestamp, nonce, body_hash = lines
    labels = ("method", "path and query", "timestamp", "nonce", "SHA-256 of the body")
    click.echo(f"1. SHA-256 of the body ({len(content)} bytes), in lower-case hex:")
    click.echo(f"     {body_hash}")
    click.echo("2. The text to sign: five lines, joined by \\n, with none at the end:")
    for line, label in zip(lines, labels, strict=True):
        click.echo(f"     {line}    <- {label}")
    click.echo("3. HMAC-SHA256 of that with the secret (as UTF-8), in lower-case hex:")
    click.echo(f"     {signature}")
    click.echo("4. The headers to send:")
    click.echo(f"     X-App-Id: {app_id or 'APPID'}")
    click.echo(f"     X-Timestamp: {timestamp}")
    click.echo(f"     X-Nonce: {nonce}")
    click.echo(f"     X-Signature: {signature}")


def _notes(timestamp: str, nonce: str, now: float) -> Iterator[str]:
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        yield "X-Timestamp must be Unix time in seconds; as it is, the answer is -2005"
    elif abs(now - int(timestamp)) > MAX_SKEW_SECONDS:
        offset = f"{abs(now - int(timestamp)):.0f} s off"
        yield f"X-Timestamp is {offset}; by more than {MAX_SKEW_SECONDS}, the answer is -2005"
    if len(nonce) not in NONCE_LENGTHS:
        allowed = f"{NONCE_LENGTHS[0]} to {NONCE_LENGTHS[-1]} characters"
        yield f"X-Nonce must be {allowed}; as it is, the answer is -2005"


def _compare(signature: str, signatures: list[str], recipes: list[SigningRecipe]) -> None:
    """Say whether the signature is right; else by which mistake it came about, and exit with 1."""
    if signature == signatures[0]:
        click.echo("5. The given signature is right.")
        return
    if signature in signatures:
        click.echo("5. The given signature is right, with the app's older secret.")
        return
    click.echo("5. The given signature is wrong.")
    _explain(signature.strip(), signatures, recipes)
    raise SystemExit(1)


def _explain(signature: str, signatures: list[str], recipes: list[SigningRecipe]) -> None:
    if signature in signatures:
        click.echo("   There is white space around it.")
        return
    for recipe in recipes:
        if mistake := find_mistake(recipe, signature):
            click.echo(f"   It is what one gets with: {mistake}.")
            return
    click.echo(
        "   It comes of none of the usual slips. "
        "Compare step 2 with the text that was signed, line by line;"
    )
    click.echo("   if that is the same, the secret is another.")
