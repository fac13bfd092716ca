"""Is the process up; can it do its work."""

from __future__ import annotations

from flask import Blueprint, Response
from sqlalchemy.exc import SQLAlchemyError

from api.answers import envelope
from api.errors import NotReady
from api.parts import parts
from gateway.errors import StoreAway
from gateway.stores import Store
from models import migrate

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return envelope({"status": "ok"})


@blueprint.get("/readyz")
def readyz() -> Response:
    """Database, cache and catalog are there; 503 names what is not. With REDIS_DOWN=open the cache may be away.

    A catalog that was refused, or whose source is away, is no reason for a 503: the last good one serves.
    """
    try:
        revision = migrate.revision_of(parts().database)
    except SQLAlchemyError as error:
        raise NotReady(fields={"database": [type(error).__name__]}) from error
    if revision != migrate.newest():
        raise NotReady(fields={"database": ["It is not at this version's tables; run: flask db upgrade"]})
    cache = "ok" if _is_there(parts().store) else "away"
    if cache == "away" and parts().settings.redis_down == "closed":
        raise NotReady(fields={"cache": ["Redis does not answer."]})
    return envelope({"database": "ok", "cache": cache, "catalog": str(parts().gateway.catalog_state)})


def _is_there(store: Store) -> bool:
    try:
        store.get("readyz")
    except StoreAway:
        return False
    return True
