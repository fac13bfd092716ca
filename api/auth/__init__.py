"""Who is calling: the decorators that ask, and the caller they find."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from api.auth.app_signature import signing_app
from api.auth.wiring import auth_services
from api.context import app_state, current_request, request_globals
from api.errors import TokenInvalid, Unauthenticated
from api.http.body import check_declared_hash
from gateway.errors import Forbidden
from gateway.messages import Caller
from schemas.fields import ROLES

View = TypeVar("View", bound=Callable[..., Any])


def _never(*_: Any, **__: Any) -> bool:
    return False


def always_streamed(*_: Any, **__: Any) -> bool:
    """Of a view that streams whatever body it gets."""
    return True


def role_required(*roles: str, streamed: Callable[..., bool] = _never) -> Callable[[View], View]:
    """Let in callers with one of these roles only; ``g.caller`` says who it is. Stands above ``@blueprint.arguments``.

    :param streamed: given what the view is given, whether it takes the body by ``iter_body``; otherwise one that is
        not what ``X-Content-SHA256`` declares is refused here, whether the view reads it or not.
    :raises Unauthenticated: no proof; other 401 errors for a proof that is not good.
    :raises Forbidden: the caller has another role. An app's is ``user``.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            caller = request_globals().caller = _caller(streamed(*args, **kwargs))
            _tell_server()
            if caller.role not in roles:
                raise Forbidden(f"Your role may not do this; it takes {' or '.join(roles)}.")
            return view(*args, **kwargs)

        checked.auth = roles  # type: ignore[attr-defined] # a test walks the routes and asks for it
        return checked  # type: ignore[return-value]

    return decorate


#: Let in every caller that proves who it is, whatever its role.
token_required = role_required(*ROLES)


def _caller(streamed: bool) -> Caller:
    """By the one proof that speaks most clearly to us; if it is not good, no other is tried.

    ``Authorization`` comes last, because it may be meant for the service behind a proxied call.
    """
    get = current_request().environ.get
    if token := get("HTTP_X_POSTERN_TOKEN"):
        return _bearer(token.removeprefix("Bearer ").strip(), streamed)
    if get("HTTP_X_APP_ID"):
        return signing_app(streamed=streamed)
    request_globals().by_authorization = True
    scheme, _, token = get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated
    return _bearer(token.strip(), streamed)


def _tell_server() -> None:
    """A server that bounds how long strangers may take over a body learns that this caller is none."""
    if tell := current_request().environ.get("postern.caller_is_known"):
        tell()


def _bearer(text: str, streamed: bool) -> Caller:
    known = auth_services()
    token = known.tokens.verify(text)
    if token.jti in known.revocations:
        raise TokenInvalid("The token was revoked.")
    request_globals().token = token
    if not streamed:
        check_declared_hash()
    return Caller(f"user:{token.subject}", token.role, rate=app_state().settings.default_rate_limit)
