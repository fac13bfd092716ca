"""The gateway, for commands that cannot do without a catalog."""

from __future__ import annotations

import click

from api.parts import parts
from gateway import Gateway
from gateway.loader import CatalogError


def gateway() -> Gateway:
    """:raises click.ClickException: there is no good catalog; says all that is wrong with it."""
    try:
        return parts().gateway
    except CatalogError as error:
        raise click.ClickException(f"there is no good catalog\n{error}") from error
