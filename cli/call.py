"""``flask call SERVICE METHOD k=v ...``: the same call from the command line."""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Container
from contextlib import closing, suppress
from typing import Any
from urllib.parse import quote, urlsplit

import click
from flask import g
from flask.cli import with_appcontext

from api.context import app_state
from api.errors import describe_error
from api.http.responses import build_envelope
from cli.loading import complete_method, complete_service, loaded_gateway
from cli.output import print_json
from gateway import Call, Caller, GatewayError
from gateway.bodies import load_json
from gateway.catalog.model import Method
from gateway.masking import STARS
from gateway.messages import HttpRequest
from gateway.streams import PassthroughRequest, ResponseStream

CONTROL_CHARACTER = re.compile(r"\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@click.command("call")
@click.argument("service", shell_complete=complete_service)
@click.argument("method", shell_complete=complete_method)
@click.argument("params", nargs=-1)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the exact request instead of sending it; secrets are masked.",
)
@click.option(
    "--paginate",
    is_flag=True,
    help="Gather all pages of the list into one answer.",
)
@with_appcontext
def call_cli(
    service: str, method: str, params: tuple[str, ...], dry_run: bool, paginate: bool
) -> None:
    """Call METHOD of SERVICE with PARAMS (name=value; a value that begins with [ or { is JSON,
    unless the parameter is a text).

    Prints the answer as callers get it, JSON, or a stream as it comes, and logs to stderr. Exit
    code: 0 success, 1 the call failed, 2 usage.
    """
    g.request_id = uuid.uuid4().hex
    caller = Caller("cli", role="admin")
    gateway = loaded_gateway()
    call = Call(
        service,
        method,
        _parse_params(params, _text_params(gateway.catalog.find(service, method))),
        caller,
        g.request_id,
        from_text=True,
        inbound=PassthroughRequest(),
        all_pages=paginate,
    )
    try:
        if dry_run:
            requests = [_render_request(gateway.dry_run(call))]
            if token_request := gateway.dry_run_token(call):
                requests.insert(0, "# first, for a token:\n" + _render_request(token_request))
            click.echo(app_state().masker.mask_line("\n\n".join(requests).encode()))
        else:
            _refuse_upload(gateway.method(service, method))
            result = gateway.call(call)
            data = result.data
            if isinstance(data, ResponseStream):
                _write_stream(data)
            else:
                print_json({**build_envelope(g.request_id, data), **result.extras.to_dict()})
    except GatewayError as error:
        print_json(
            build_envelope(g.request_id, None, error.code, error.message, describe_error(error))
        )
        raise SystemExit(1) from error


def _refuse_upload(method: Method) -> None:
    if method.streams_body:
        raise click.ClickException(
            f"{method.full_name} takes a body as it comes, which the command line cannot send"
        )


def _write_stream(stream: ResponseStream) -> None:
    """Write the bytes as they come, until the end or Ctrl-C."""
    with closing(stream), suppress(KeyboardInterrupt):
        try:
            for piece in stream:
                sys.stdout.buffer.write(piece)
                sys.stdout.buffer.flush()
        except GatewayError as error:
            raise click.ClickException(f"the stream broke off: {error.message}") from error


def _text_params(method: Method | None) -> set[str]:
    """Return the names of parameters that take a text, even one that looks like JSON."""
    params = method.params if method else ()
    return {param.name for param in params if param.keywords.get("type") == "string"}


def _parse_params(arguments: tuple[str, ...], texts: Container[str]) -> dict[str, Any]:
    """Read ``name=value`` arguments; a name that occurs again makes a list.

    :param texts: names whose values are never JSON.
    """
    params: dict[str, Any] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"{argument!r} is not name=value", param_hint="PARAMS")
        value: Any = text
        if name not in texts:
            value = _parse_value(name, text)
        if name not in params:
            params[name] = value
        elif isinstance(params[name], list):
            params[name] = [*params[name], value]
        else:
            params[name] = [params[name], value]
    return params


def _parse_value(name: str, text: str) -> Any:
    if not text.startswith(("[", "{")):
        return text
    try:
        return load_json(text.encode())
    except ValueError as error:
        raise click.BadParameter(f"{name}: {error}", param_hint="PARAMS") from error


def _render_request(request: HttpRequest) -> str:
    """Return the request as it would be sent, below a line that says where to."""
    base = urlsplit(request.base_url)
    target = base.path + _show_stars(request.target)
    lines = [
        f"# to {base.scheme}://{base.netloc}",
        f"{request.verb} {target} HTTP/1.1",
        f"Host: {base.netloc}",
    ]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    if request.body or request.verb in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(request.body)}")
    if request.body:
        lines += ["", _render_body(request.body)]
    return "\n".join(lines)


def _render_body(body: bytes) -> str:
    """Return text as it is; bytes that are no text, or that a terminal would act on, as
    ``\\x00``.
    """
    text = _show_stars(body.decode("utf-8", "backslashreplace"))
    return CONTROL_CHARACTER.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def _show_stars(text: str) -> str:
    """Undo the percent-encoding of masked values."""
    return text.replace(quote(STARS), STARS)
