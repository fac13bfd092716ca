"""The catalog, for commands that cannot do without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from api.context import app_state
from gateway.catalog.model import Catalog
from gateway.catalog.yaml.document import DocumentError

if TYPE_CHECKING:
    from gateway import Gateway


def load_gateway() -> Gateway:
    """Return the gateway with its catalog.

    :raises click.ClickException: there is no good catalog; says all that is wrong with it.
    """
    try:
        return app_state().gateway
    except DocumentError as error:
        raise click.ClickException(
            f"there is no good catalog; a server that runs goes on with its last good one\n{error}"
        ) from error


def require_service(catalog: Catalog, name: str) -> None:
    """:raises click.ClickException: there is none of this name; says which there are."""
    if name not in catalog.services:
        raise click.ClickException(
            f"there is no service {name}; there are: {', '.join(catalog.services)}"
        )
