"""Makes the call of ``flask call`` and prints its answer."""

from __future__ import annotations

import mimetypes
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import click
from flask import g
from flask.cli import with_appcontext

from api.context import app_state
from api.http.error_response import describe_error
from api.http.responses import build_envelope
from cli.call.params import read_data, read_params
from cli.call.render import escape_controls, render_request
from cli.loading import load_gateway
from cli.output import print_json
from gateway import Call, Caller, Gateway, GatewayError
from gateway.catalog.model import Method, kind_of
from gateway.messages import Result
from gateway.streams import PassthroughRequest, RequestStream, ResponseStream
from schemas.numbers import dump_exactly

BINARY = "application/octet-stream"


class Options(NamedTuple):
    dry_run: bool
    paginate: bool
    stream: bool
    data: str | None
    output: str | None


@with_appcontext
def run_call(service: str, method: str, params: tuple[str, ...], options: Options) -> None:
    """Make the call and print its answer, or the request that would be sent."""
    g.request_id = uuid.uuid4().hex
    gateway = load_gateway()
    declared = gateway.catalog.find(service, method)
    if declared:
        _refuse_unfit(declared, options)
    data = options.data
    body = None
    if declared and declared.streams_body:
        body = data
        data = None
    call = Call(
        service,
        method,
        read_params(params, data, declared),
        Caller("cli", role="admin"),
        g.request_id,
        from_text=True,
        inbound=_inbound(body),
        all_pages=options.paginate,
    )
    try:
        if options.dry_run:
            _print_requests(gateway, call)
            return
        with _open_output(options.output) as file:
            _write(call, gateway.call(call), file)
    except GatewayError as error:
        print_json(
            build_envelope(g.request_id, None, error.code, error.message, describe_error(error))
        )
        if why := _why(call):
            click.echo(why, err=True)
        raise SystemExit(1) from error


def _why(call: Call) -> str:
    """Return how the last attempt failed; empty where nothing was sent."""
    attempts = call.trace.attempts
    reason = attempts[-1].why if attempts else None
    if not reason:
        return ""
    if attempts[-1].status is None:
        reason = f"{attempts[-1].host}: {reason}"
    return f"why: {escape_controls(reason)}"


def _refuse_unfit(method: Method, options: Options) -> None:
    """:raises click.ClickException: the options do not fit the method; nothing is sent."""
    if options.stream and not method.streams_answer:
        raise click.UsageError(
            f"{method.full_name} does not stream; leave out --stream, or write stream: true into"
            " its catalog entry"
        )
    if options.paginate and method.paginate is None:
        raise click.UsageError(
            f"{method.full_name} has no pages to gather; leave out --paginate, or write paginate"
            " into its catalog entry"
        )
    if not method.streams_body or options.dry_run:
        return
    if kind_of(method.body) != "raw":
        raise click.ClickException(
            f"{method.full_name} takes a body as it comes, in several parts, which the command line"
            " cannot send; use curl -F"
        )
    if options.data is None:
        raise click.UsageError(
            f"{method.full_name} takes a body as it comes; name its file: -d @FILE"
        )


def _inbound(data: str | None) -> PassthroughRequest:
    """Return what goes on to the service as it is: the body of a method that takes a raw one."""
    if data is None:
        return PassthroughRequest()
    body = read_data(data)
    kind, coding = mimetypes.guess_type(data)
    if coding or not kind or not data.startswith("@"):
        kind = BINARY
    return PassthroughRequest(
        (("Content-Type", kind),), RequestStream(iter([body]), lambda: body, len(body))
    )


def _print_requests(gateway: Gateway, call: Call) -> None:
    service = gateway.method(call.service, call.method, call.caller).service
    requests = [render_request(gateway.dry_run(call), service)]
    if token_request := gateway.dry_run_token(call):
        requests.insert(0, "# first, for a token:\n" + render_request(token_request, service))
    click.echo(app_state().masker.mask_line("\n\n".join(requests).encode()))


@contextmanager
def _open_output(output: str | None) -> Iterator[IO[bytes] | None]:
    """Open a draft of the file before anything is sent; it gets its name once it is whole.

    :raises click.BadParameter: the file cannot be written.
    """
    if output is None or output == "-":
        yield None
        return
    target = Path(output)
    draft = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        file = draft.open("xb")
    except OSError as error:
        raise click.BadParameter(
            f"{output} cannot be written ({error.strerror})", param_hint="-o"
        ) from error
    try:
        with file:
            yield file
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _write(call: Call, result: Result, file: IO[bytes] | None) -> None:
    data = result.data
    if isinstance(data, ResponseStream):
        _write_stream(call, data, file)
        return
    envelope: Any = {**build_envelope(g.request_id, data), **result.extras.to_dict()}
    if file is None:
        print_json(envelope)
    else:
        file.write(dump_exactly(envelope, ensure_ascii=False, indent=2).encode() + b"\n")


def _write_stream(call: Call, stream: ResponseStream, file: IO[bytes] | None) -> None:
    """Write the bytes as they come, until the end; on stdout Ctrl-C ends them, too.

    :raises click.ClickException: the stream broke off.
    """
    with closing(stream):
        try:
            if file is not None:
                file.writelines(stream)
                return
            with suppress(KeyboardInterrupt):
                _print_pieces(stream)
        except GatewayError as error:
            lines = (f"the stream broke off: {error.message}", _why(call))
            raise click.ClickException("\n".join(filter(None, lines))) from error


def _print_pieces(stream: ResponseStream) -> None:
    for piece in stream:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
