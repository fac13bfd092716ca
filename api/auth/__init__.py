"""Who is calling: decorators for views, and the caller that they put into ``g``.

Example::

    @blueprint.get("/me")
    @token_required
    def me() -> Response: ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from api.auth.app_signature import signing_app
from api.auth.wiring import auth_services
from api.errors import TokenInvalid, Unauthenticated
from api.http.bodies import check_declared_hash
from api.request_context import RequestGlobals, current_context
from gateway.errors import Forbidden
from gateway.messages import Caller
from schemas.fields import ROLES

View = TypeVar("View", bound=Callable[..., Any])


def always_streamed(*_: Any, **__: Any) -> bool:
    """Return True: for a view that streams whatever body it gets."""
    return True


def role_required(
    *roles: str, streamed: Callable[..., bool] | None = None
) -> Callable[[View], View]:
    """Let in only callers with one of these roles, as ``g.caller``; above ``@blueprint.arguments``.

    :param streamed: tells from the view's arguments whether the view takes the body by
        ``iter_body``; otherwise a body that is not what ``X-Content-SHA256`` declares is refused
        here, whether the view reads it or not.
    :raises Unauthenticated: there is no proof; a wrong proof raises other 401 errors.
    :raises Forbidden: the caller has another role. An app's is ``user``.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def check_and_call(*args: Any, **kwargs: Any) -> Any:
            context = current_context()
            environ = context.request.environ
            state = context.g
            is_streamed = streamed is not None and streamed(*args, **kwargs)
            caller = state.caller = _caller(environ, state, is_streamed)
            # A server that bounds how long strangers may send a body is told of this caller.
            if confirm := environ.get("postern.caller_is_known"):
                confirm()
            if caller.role not in roles:
                raise Forbidden(
                    f"Your role may not do this; it takes {' or '.join(roles)}. Ask an admin"
                    " (flask user set-role)."
                )
            return view(*args, **kwargs)

        # a test walks the routes and asks for it
        check_and_call.auth = roles  # type: ignore[attr-defined]
        return check_and_call  # type: ignore[return-value]

    return decorate


#: Let in every caller that proves who it is, whatever its role.
token_required = role_required(*ROLES)


def _caller(environ: Mapping[str, Any], state: RequestGlobals, streamed: bool) -> Caller:
    """Return the caller by the proof most clearly meant for us; if it is wrong, no other is tried.

    ``Authorization`` comes last, because it may be meant for the service behind a proxied call.
    """
    if token := environ.get("HTTP_X_POSTERN_TOKEN"):
        caller = _bearer(token.removeprefix("Bearer ").strip(), state)
    elif environ.get("HTTP_X_APP_ID"):
        return signing_app(streamed=streamed)
    else:
        state.by_authorization = True
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated
        caller = _bearer(token.strip(), state)
    if "HTTP_X_CONTENT_SHA256" in environ and not streamed:
        check_declared_hash()
    return caller


def _bearer(text: str, state: RequestGlobals) -> Caller:
    services = auth_services()
    token = services.tokens.verify(text)
    if token.jti in services.revocations:
        raise TokenInvalid("The token was revoked; log in again (POST /api/v1/login).")
    state.token = token
    return token.caller
