"""An admin's way to a vendor's page and back (RFC 6749, 4.1; RFC 7636), for views and commands.

Its ``state`` is good for one return within ten minutes. It is used up before the code is sent, so
that a crash loses the code and never sends it twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from api.audit import record
from api.auth.wiring import auth_services
from api.context import app_state
from gateway.errors import Conflict, Forbidden, GatewayError, InvalidParams, Rejected
from gateway.exchange.connected_account import key_of_service
from gateway.masking import Secret
from gateway.signers import make_signer
from models import AccountConnection, Act, ConnectionRequest, Origin, User
from models.connections import CONNECTED, NOT_CONNECTED

CALLBACK_PATH = "/api/v1/oauth/callback"
STATE_LIFE = timedelta(minutes=10)
MAX_STATE_CHARACTERS = 256
MAX_CODE_CHARACTERS = 8192
#: What a vendor's page may say in place of a code (RFC 6749, 4.1.2.1).
REFUSALS: Mapping[str, str] = {
    "access_denied": "access was denied",
    "invalid_request": "the request is not one that it understands",
    "unauthorized_client": "this client may not ask for a code",
    "unsupported_response_type": "it gives no codes",
    "invalid_scope": "the scope is wrong",
    "server_error": "it failed",
    "temporarily_unavailable": "it is overloaded, or away for a while",
}


@dataclass(frozen=True, slots=True)
class PendingConnection:
    """A request that waits for its browser, which comes back with the ``state``."""

    state: str
    authorization_url: str
    redirect_uri: str
    expires_at: datetime


def begin(service: str, caller: str, connected_by: str) -> PendingConnection:
    """Return the URL at which a person lets us use the service's account.

    :param caller: the admin, who must still be one at the return; ``connected_by`` is its name.
    :raises GatewayError: there is no such service, or an admin does not connect it.
    """
    authorization = app_state().gateway.authorization(service)
    now = auth_services().now()
    state = token_urlsafe(32)
    verifier = Secret(token_urlsafe(48))
    redirect_uri = app_state().settings.base_url + CALLBACK_PATH
    request = ConnectionRequest(
        state_hash=_hash(state),
        service=service,
        fingerprint=authorization.key.fingerprint,
        caller=caller,
        connected_by=connected_by,
        verifier=auth_services().app_secrets.seal(verifier),
        redirect_uri=redirect_uri,
        created_at=now,
        expires_at=now + STATE_LIFE,
    )
    with app_state().database.write_session() as session:
        ConnectionRequest.delete_expired(session, now)
        session.add(request)
    url = authorization.url(redirect_uri, state, verifier)
    return PendingConnection(state, url, redirect_uri, request.expires_at)


def complete(answer: Mapping[str, str], address: str | None, request_id: str | None = None) -> str:
    """Connect the account by what the vendor's page sent the browser back with.

    :param answer: ``state``, and ``code`` or ``error``.
    :param address: of whoever brings it, for the audit log, as the request's id is.
    :returns: the service.
    :raises GatewayError: why it is not connected; no code is sent twice.
    """
    state = answer.get("state", "")
    request = _use(state)
    try:
        _connect(request, answer, Origin(_actor(request), address, request_id))
    except GatewayError as error:
        detail = app_state().masker.mask_text(error.detail or "")
        app_state().log.warning(
            "connection", service=request.service, why=error.message, detail=detail
        )
        _note_outcome(request, error.message)
        raise
    app_state().log.info("connection", service=request.service, by=request.connected_by)
    _note_outcome(request, CONNECTED)
    return request.service


def outcome_of(state: str) -> str | None:
    """Return ``connected``, or why not; None until the browser has come back."""
    with app_state().database.read_session() as session:
        request = session.get(ConnectionRequest, _hash(state))
        return None if request is None else request.outcome


def describe_connections() -> list[dict[str, Any]]:
    """Return the connection of every service of the catalog that has one, or should have."""
    now = auth_services().now()
    described = []
    for service in app_state().gateway.catalog.services.values():
        if not make_signer(service.auth, service.base_urls[0]).keeps_refresh_token:
            continue
        key = key_of_service(service)
        row = app_state().connections.find(key)
        if row is None:
            row = AccountConnection(
                state=CONNECTED if key.seed else NOT_CONNECTED,
                connected_by="catalog" if key.seed else None,
            )
        described.append(
            {"service": service.name, "grant": service.auth["grant"], **_describe(row, now)}
        )
    return described


def _describe(row: AccountConnection, now: datetime) -> dict[str, Any]:
    last_error = row.last_error
    return {
        "state": row.state_at(now),
        "connected_by": row.connected_by,
        "connected_at": row.connected_at,
        "scopes": row.scope.replace(",", " ").split() if row.scope else [],
        "expires_at": row.expires_at,
        "access_expires_at": row.access_expires_at,
        "last_refreshed_at": row.last_refreshed_at,
        "last_error": app_state().masker.mask_text(last_error) if last_error else None,
    }


def _use(state: str) -> ConnectionRequest:
    """Return the request of a state, which is used up by this.

    :raises InvalidParams: it is used up, or too old, or nobody's.
    """
    now = auth_services().now()
    with app_state().database.read_session() as session:  # strangers' guesses take no write lock
        request = session.get(ConnectionRequest, _hash(state))
    if request is not None and len(state) <= MAX_STATE_CHARACTERS:
        with app_state().database.write_session() as session:
            request = ConnectionRequest.use(session, _hash(state), now)
    if request is None:
        raise InvalidParams(
            "This way back from the vendor's page is unknown, used before or older than ten"
            " minutes; nothing was sent. Begin anew.",
            fields={"state": ["Unknown, used before, or too old."]},
        )
    return request


def _actor(request: ConnectionRequest) -> str:
    """Return who began it, by the audit log's names."""
    if request.caller.startswith("user:"):
        return request.caller
    return f"cli:{request.connected_by}"


def _connect(request: ConnectionRequest, answer: Mapping[str, str], origin: Origin) -> None:
    """:raises GatewayError: it is not connected."""
    _check_admin(request.caller)
    if "error" in answer:
        reason = REFUSALS.get(answer["error"], "it gave another reason")
        raise Rejected(
            f"The vendor's page gave no code: {reason}. Nothing was connected; begin anew."
        )
    code = answer.get("code", "")
    if not 0 < len(code) <= MAX_CODE_CHARACTERS:
        raise InvalidParams(
            "The vendor's page gave no code; nothing was sent. Begin anew.",
            fields={"code": ["Missing, or too long."]},
        )
    authorization = app_state().gateway.authorization(request.service)
    verifier = auth_services().app_secrets.unseal(request.verifier)
    if authorization.key.fingerprint != request.fingerprint or verifier is None:
        raise Conflict("The catalog or a key was changed meanwhile; nothing was sent. Begin anew.")
    grant = authorization.exchange(Secret(code), request.redirect_uri, verifier)
    act = Act("connection.connect", f"service:{request.service}")
    note = partial(record, origin=origin, act=act)
    app_state().connections.connect(authorization.key, grant, request.connected_by, note)


def _check_admin(caller: str) -> None:
    """:raises Forbidden: the admin that began it is none any more."""
    kind, _, user_id = caller.partition(":")
    if kind != "user":
        return
    with app_state().database.read_session() as session:
        user = session.get(User, int(user_id))
    if user is None or user.disabled or user.role != "admin":
        raise Forbidden(
            "Whoever began this is no admin any more; nothing was sent. Let an admin begin anew."
        )


def _note_outcome(request: ConnectionRequest, outcome: str) -> None:
    """Tell a command that waits; it does without where the database is away."""
    row = sa.update(ConnectionRequest).where(ConnectionRequest.state_hash == request.state_hash)
    with suppress(SQLAlchemyError), app_state().database.write_session() as session:
        session.execute(row.values(outcome=outcome))


def _hash(state: str) -> str:
    return sha256(state.encode(errors="replace")).hexdigest()
