"""``flask call SERVICE METHOD k=v ...``: the same call from the command line."""

from __future__ import annotations

import re
import sys
import uuid
from contextlib import closing, suppress
from typing import Any
from urllib.parse import quote, urlsplit

import click
from flask import g
from flask.cli import with_appcontext

from api.context import app_state
from api.errors import describe_error
from api.http.responses import build_envelope
from cli import loading as complete
from cli.loading import gateway
from cli.output import print_json
from gateway import Call, Caller, GatewayError
from gateway.bodies import load_json
from gateway.catalog.model import Method
from gateway.masking import STARS
from gateway.messages import HttpRequest
from gateway.streams import PassthroughRequest, ResponseStream

_CONTROL = re.compile(r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@click.command("call")
@click.argument("service", shell_complete=complete.services)
@click.argument("method", shell_complete=complete.methods)
@click.argument("params", nargs=-1)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the exact request instead of sending it; secrets are masked.",
)
@with_appcontext
def call_cli(service: str, method: str, params: tuple[str, ...], dry_run: bool) -> None:
    """Call METHOD of SERVICE with PARAMS (name=value; a value that begins with [ or { is JSON).

    Prints the answer as callers get it, JSON, or a stream as it comes, and logs to stderr. Exit code: 0 success,
    1 the call failed, 2 usage.
    """
    g.request_id = uuid.uuid4().hex
    caller = Caller("cli", role="admin")
    call = Call(
        service,
        method,
        _params(params),
        caller,
        g.request_id,
        from_text=True,
        inbound=PassthroughRequest(),
    )
    through = gateway()
    try:
        if dry_run:
            click.echo(app_state().masker.line(_wire(through.dry_run(call)).encode()))
        else:
            _refuse_upload(through.method(service, method))
            data = through.call(call).data
            if isinstance(data, ResponseStream):
                _pass_on(data)
            else:
                print_json(build_envelope(g.request_id, data))
    except GatewayError as error:
        print_json(
            build_envelope(g.request_id, None, error.code, error.text, describe_error(error))
        )
        raise SystemExit(1) from error


def _refuse_upload(method: Method) -> None:
    if method.streams_body:
        raise click.ClickException(
            f"{method.full_name} takes a body as it comes, which the command line cannot send"
        )


def _pass_on(stream: ResponseStream) -> None:
    """The bytes as they are, until the end or Ctrl-C."""
    with closing(stream), suppress(KeyboardInterrupt):
        try:
            for piece in stream:
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
        except GatewayError as error:
            raise click.ClickException(f"the stream broke off: {error.text}") from error


def _params(given: tuple[str, ...]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{each!r} is not name=value", param_hint="PARAMS")
        try:
            value = load_json(text.encode()) if text[:1] in ("[", "{") else text
        except ValueError as error:
            raise click.BadParameter(f"{name}: {error}", param_hint="PARAMS") from error
        if name in made:
            value = [*(made[name] if isinstance(made[name], list) else [made[name]]), value]
        made[name] = value
    return made


def _wire(request: HttpRequest) -> str:
    """The request as it would be sent, after the line that says where to."""
    base = urlsplit(request.base_url)
    target = base.path + request.target.replace(quote(STARS), STARS)
    head = [
        f"# to {base.scheme}://{base.netloc}",
        f"{request.verb} {target} HTTP/1.1",
        f"Host: {base.netloc}",
    ]
    head += [f"{name}: {value}" for name, value in request.headers.items()]
    if request.body or request.verb in ("POST", "PUT", "PATCH"):
        head.append(f"Content-Length: {len(request.body)}")
    if request.body:
        head += ["", _shown(request.body)]
    return "\n".join(head)


def _shown(body: bytes) -> str:
    """Text as it is; as ``\\x00`` what is none, and what a terminal would act on."""
    text = body.decode("utf-8", "backslashreplace").replace(quote(STARS), STARS)
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
