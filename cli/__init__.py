"""The commands that ``flask ...`` has beside Flask's own.

>>> cli.register(app)
>>> app.test_cli_runner().invoke(args=["catalog", "check"]).output
"services.yaml: ok, 6 services, 12 methods\\n"
"""

from __future__ import annotations

from flask import Flask

from cli.accounts import app_cli, user_cli
from cli.cache import cache_cli
from cli.call import call_cli
from cli.catalog import catalog_cli, openapi
from cli.database import database_cli, init
from cli.seed import seed
from cli.sign import sign
from cli.top import top

COMMANDS = (
    catalog_cli,
    cache_cli,
    call_cli,
    user_cli,
    app_cli,
    database_cli,
    init,
    seed,
    top,
    openapi,
)

app_cli.add_command(sign)


def register(app: Flask) -> None:
    for command in COMMANDS:
        app.cli.add_command(command)
