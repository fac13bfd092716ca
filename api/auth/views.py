"""``/login``, ``/token/refresh`` and ``/logout``."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, g, request
from sqlalchemy.orm import Session

from api.audit import delete_expired_events
from api.auth import token_required
from api.auth.passwords import verify_password
from api.auth.wiring import auth_services
from api.context import app_state
from api.errors import BadCredentials, TokenExpired, TokenInvalid
from api.http.blueprint import Blueprint
from gateway.errors import Forbidden, GatewayError
from models import RefreshToken, RevokedToken, User, delete_expired
from schemas.users import LoginIn, RefreshIn, TokensOut

MAX_LOGIN_BYTES = 8 * 1024  # of a body that anybody may send
blueprint = Blueprint("login", __name__, description="Who you are.")


@blueprint.before_request
def limit_body() -> None:
    request.max_content_length = min(MAX_LOGIN_BYTES, app_state().settings.max_body)


@blueprint.post("/login")
@blueprint.arguments(LoginIn, example={"username": "admin", "password": "correct-horse-battery"})
@blueprint.response(200, TokensOut)
def login(credentials: dict[str, str]) -> dict[str, Any]:
    """Log in with a password."""
    with app_state().database.read_session() as session:
        user = User.by_username(session, credentials["username"])
    with auth_services().lockout.attempt(credentials["username"], request.remote_addr or ""):
        password_hash = None if user is None else user.password_hash
        is_right = verify_password(password_hash, credentials["password"])
        if not is_right or user is None or user.disabled:
            raise BadCredentials
    with app_state().database.write_session() as session:
        now = auth_services().now()
        delete_expired(session, now)
        delete_expired_events(session, now)
        current_user = User.get_shared(session, user.id)
        # The user may have been changed while the password was checked.
        if (
            current_user is None
            or current_user.disabled
            or current_user.password_hash != password_hash
        ):
            raise BadCredentials
        return _issue_pair(session, current_user, family=uuid.uuid4().hex)


@blueprint.post("/token/refresh")
@blueprint.arguments(RefreshIn, example={"refresh_token": "the one that login gave"})
@blueprint.response(200, TokensOut)
def refresh(body: dict[str, str]) -> dict[str, Any]:
    """A new pair for a refresh token, which is used up by this; used twice, it ends all that came from its login."""  # noqa: E501  # the summary in the OpenAPI file
    token_hash = _hash(body["refresh_token"])
    now = auth_services().now()
    with app_state().database.read_session() as session:  # strangers' guesses take no write lock
        if RefreshToken.by_hash(session, token_hash) is None:
            raise TokenInvalid
    with app_state().database.write_session() as session:
        owner = RefreshToken.user_id_of(session, token_hash)
        # The user's lock comes before its tokens', as with all who change a user.
        user = owner and User.get_shared(session, owner)
        is_first_use = RefreshToken.mark_used(session, token_hash, now)
        row = RefreshToken.by_hash(session, token_hash)
        if row and user and not user.disabled and is_first_use:
            return _issue_pair(session, user, row.family)
        revoked: list[RevokedToken] = []
        if row and row.used_at:
            revoked = RefreshToken.revoke_family(session, row.family, now)
    auth_services().revocations.add(revoked)
    raise _refusal(row)


@blueprint.post("/logout")
@token_required
@blueprint.response(200)
def logout() -> None:
    """End this login: its access tokens and its refresh token."""
    if g.token is None:
        raise Forbidden("A signed request has no login to end; send a login's token, or leave it.")
    token = g.token
    with app_state().database.write_session() as session:
        family = RefreshToken.family_of(session, token.jti)
        revoked: list[RevokedToken] = []
        if family:
            revoked = RefreshToken.revoke_family(session, family, auth_services().now())
        expires_at = datetime.fromtimestamp(token.expires, UTC)
        revoked.append(session.merge(RevokedToken(jti=token.jti, expires_at=expires_at)))
    auth_services().revocations.add(revoked)


@blueprint.after_request
def forbid_caching(response: Response) -> Response:
    """Keep tokens out of every cache on the way (RFC 6749, 5.1)."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _issue_pair(session: Session, user: User, family: str) -> dict[str, Any]:
    settings = app_state().settings
    text, access = auth_services().tokens.issue(str(user.id), user.role)
    refresh_token = secrets.token_urlsafe(32)
    session.add(
        RefreshToken(
            token_hash=_hash(refresh_token),
            family=family,
            user_id=user.id,
            access_jti=access.jti,
            access_expires_at=datetime.fromtimestamp(access.expires, UTC),
            expires_at=auth_services().now() + timedelta(seconds=settings.refresh_token_ttl),
        )
    )
    return {
        "access_token": text,
        "expires_in": settings.access_token_ttl,
        "refresh_token": refresh_token,
    }


def _refusal(row: RefreshToken | None) -> GatewayError:
    if row and not row.used_at and not row.revoked_at:
        return TokenExpired("The refresh token has expired; log in again.")
    return TokenInvalid()


def _hash(refresh_token: str) -> str:
    return hashlib.sha256(refresh_token.encode()).hexdigest()
