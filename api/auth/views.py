"""Log in, stay in, log out."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Response, g, request
from sqlalchemy.orm import Session

from api.auth import token_required
from api.auth.passwords import verify_password
from api.auth.wiring import auth_services
from api.context import app_state
from api.errors import BadCredentials, TokenExpired, TokenInvalid
from api.http.blueprint import Blueprint
from gateway.errors import Forbidden, GatewayError
from models import RefreshToken, RevokedToken, User, forget_expired
from schemas.users import LoginIn, RefreshIn, TokensOut

MAX_LOGIN_BYTES = 8 * 1024  # of a body that anybody may send
blueprint = Blueprint("login", __name__, description="Who you are.")


@blueprint.before_request
def limit_body() -> None:
    request.max_content_length = min(MAX_LOGIN_BYTES, app_state().settings.max_body)


@blueprint.post("/login")
@blueprint.arguments(LoginIn)
@blueprint.response(200, TokensOut)
def login(given: dict[str, str]) -> dict[str, Any]:
    """Log in with a password."""
    who = given["username"], request.remote_addr or ""
    with app_state().database.reading() as session:
        user = User.named(session, given["username"])
    with auth_services().lockout.attempt(*who):
        right = verify_password(user.password_hash if user else None, given["password"])
        if not (user and right):
            raise BadCredentials
    with app_state().database.session() as session:
        forget_expired(session, auth_services().now())
        fresh = User.held(session, user.id)
        if (
            fresh is None or fresh.password_hash != user.password_hash
        ):  # while its password was checked
            raise BadCredentials
        return _pair(session, fresh, family=uuid.uuid4().hex)


@blueprint.post("/token/refresh")
@blueprint.arguments(RefreshIn)
@blueprint.response(200, TokensOut)
def refresh(given: dict[str, str]) -> dict[str, Any]:
    """A new pair for a refresh token, which is used up by this; used twice, it ends all that came from its login."""
    token_hash, now = _hash(given["refresh_token"]), auth_services().now()
    with app_state().database.reading() as session:  # strangers' guesses take no write lock
        if RefreshToken.known_by(session, token_hash) is None:
            raise TokenInvalid
    with app_state().database.session() as session:
        owner = RefreshToken.owner_of(session, token_hash)
        user = (
            User.held(session, owner) if owner else None
        )  # before its tokens, as whoever changes a user does
        first = RefreshToken.use(session, token_hash, now)
        row = RefreshToken.known_by(session, token_hash)
        if row and user and first:
            return _pair(session, user, row.family)
        ended = RefreshToken.revoke_family(session, row.family, now) if row and row.used_at else []
    auth_services().revocations.add(ended)
    raise _refusal(row)


@blueprint.post("/logout")
@token_required
@blueprint.response(200)
def logout() -> None:
    """End this login: its access tokens and its refresh token."""
    if g.token is None:
        raise Forbidden("A signed request has no login to end.")
    token = g.token
    with app_state().database.session() as session:
        family = RefreshToken.family_of(session, token.jti)
        ended = RefreshToken.revoke_family(session, family, auth_services().now()) if family else []
        this = RevokedToken(jti=token.jti, expires_at=datetime.fromtimestamp(token.expires, UTC))
        ended.append(session.merge(this))
    auth_services().revocations.add(ended)


@blueprint.after_request
def never_stored(response: Response) -> Response:
    """Tokens stay out of every cache on the way (RFC 6749, 5.1)."""
    response.headers["Cache-Control"] = "no-store"
    return response


def _pair(session: Session, user: User, family: str) -> dict[str, Any]:
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
    good_but_late = row and not row.used_at and not row.revoked_at
    return (
        TokenExpired("The refresh token has expired; log in again.")
        if good_but_late
        else TokenInvalid()
    )


def _hash(refresh_token: str) -> str:
    return hashlib.sha256(refresh_token.encode()).hexdigest()
