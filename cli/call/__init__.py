"""``flask call``: what the command takes. What it does is imported when it runs, not for <TAB>."""

from __future__ import annotations

from typing import Any

import click

from cli.files import FileArgument
from cli.names import complete_method, complete_param, complete_service


@click.command("call")
@click.argument("service", shell_complete=complete_service)
@click.argument("method", shell_complete=complete_method)
@click.argument("params", nargs=-1, shell_complete=complete_param)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print the exact request instead of sending it; secrets are masked.",
)
@click.option("--paginate", is_flag=True, help="Gather all pages of the list into one answer.")
@click.option(
    "--stream", is_flag=True, help="Insist on an answer that is printed as it comes, byte for byte."
)
@click.option(
    "-d",
    "--data",
    metavar="JSON",
    help="All parameters as one JSON object, or @FILE that holds it, @- for standard input. Of a"
    " method with a raw body: the body.",
)
@click.option(
    "-o",
    "--output",
    type=FileArgument(dir_okay=False),
    help="Write the answer there and not to stdout, once it is whole.",
)
def call_cli(service: str, method: str, params: tuple[str, ...], **options: Any) -> None:
    """Call METHOD of SERVICE with PARAMS (name=value; a value that begins with [ or { is JSON,
    unless the parameter is a text; @FILE is what the file holds, @@ an @).

    Prints the answer as callers get it, JSON, or a stream as it comes, and logs to stderr. Exit
    code: 0 success, 1 the call failed, 2 usage.
    """
    from cli.call.run import Options, run_call

    run_call(service, method, params, Options(**options))
