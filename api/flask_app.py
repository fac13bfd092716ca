"""Flask, with routes, hooks and error handlers looked up once instead of for each request.

Views, hooks, error handlers, ``request``, ``g`` and signals are Flask's own. Left out is the
session, which this service does not use. What is overridden is that of Flask 3.1, which
requirements.txt pins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask, Request, Response
from flask.ctx import RequestContext
from flask.globals import _cv_app, _cv_request
from flask.sessions import SessionMixin
from flask.signals import (
    appcontext_tearing_down,
    request_finished,
    request_started,
    request_tearing_down,
)
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from api.context import RequestGlobals, current_request
from api.routing import Routes

MAX_REMEMBERED_PATHS = 4096
Hook = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Hooks:
    """What runs before and after the views of one set of blueprints, in order."""

    values: tuple[Hook, ...]
    before: tuple[Hook, ...]
    after: tuple[Hook, ...]
    teardown: tuple[Hook, ...]


class Context(RequestContext):
    """A request's context without a session; its URL adapter is created on first use."""

    def __init__(
        self,
        app: App,
        environ: dict[str, Any],
        request: Request | None = None,
        session: SessionMixin | None = None,
    ) -> None:
        self.app = app
        if request is None:
            request = app.request_class(environ)
            request.json_module = app.json
        self.request = request
        self.flashes = None
        self._session = session
        self._after_request_functions = []
        self._cv_tokens = []
        self._adapter: MapAdapter | None = None

    @property
    def url_adapter(self) -> MapAdapter | None:  # type: ignore[override]
        if self._adapter is None:
            self._adapter = self.app.create_url_adapter(self.request)
        return self._adapter

    def push(self) -> None:
        outer = _cv_app.get(None)
        app_context = None
        if outer is None or outer.app is not self.app:
            app_context = self.app.app_context()
            app_context.push()
        self._cv_tokens.append((_cv_request.set(self), app_context))
        self.match_request()

    def match_request(self) -> None:
        """Find the rule of the path, by looking at the paths of earlier requests first."""
        request = self.request
        environ = request.environ
        routes: dict[Any, tuple[Any, Any]] = self.app.matches  # type: ignore[attr-defined]
        key = (environ["REQUEST_METHOD"], environ["PATH_INFO"], "HTTP_UPGRADE" in environ)
        if match := routes.get(key):
            request.url_rule, values = match
            request.view_args = values.copy()
            return
        try:
            adapter = self.url_adapter
            if adapter is not None:
                rule, arguments = adapter.match(return_rule=True)
                request.url_rule = rule
                request.view_args = dict(arguments)
        except HTTPException as error:
            request.routing_exception = error
            return
        if len(routes) >= MAX_REMEMBERED_PATHS:
            routes.clear()
        if adapter is not None:
            routes[key] = (rule, dict(arguments))


class App(Flask):
    """The application's class.

    :ivar matches: verb, path and whether it is an upgrade -> rule and values, of earlier paths.
    """

    url_map_class = Routes
    app_ctx_globals_class = RequestGlobals

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.matches: dict[tuple[str, str, bool], tuple[Any, dict[str, Any]]] = {}
        self._hooks: dict[str | None, Hooks] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function: no view or hook is a coroutine; Flask checks ten a request."""
        return func

    def request_context(self, environ: dict[str, Any]) -> RequestContext:
        return Context(self, environ)

    def hooks(self, request: Request) -> Hooks:
        """Return what a request's blueprints and the app have registered; fixed once serving."""
        endpoint = request.url_rule.endpoint if request.url_rule else None
        if hooks := self._hooks.get(endpoint):
            return hooks
        blueprints = tuple(request.blueprints)
        outward = (*blueprints, None)
        inward = (None, *reversed(blueprints))
        hooks = Hooks(
            tuple(hook for name in inward for hook in self.url_value_preprocessors.get(name, ())),
            tuple(hook for name in inward for hook in self.before_request_funcs.get(name, ())),
            tuple(
                hook
                for name in outward
                for hook in reversed(self.after_request_funcs.get(name, ()))
            ),
            tuple(
                hook
                for name in outward
                for hook in reversed(self.teardown_request_funcs.get(name, ()))
            ),
        )
        if self._got_first_request:
            self._hooks[endpoint] = hooks
        return hooks

    def full_dispatch_request(self) -> Response:
        self._got_first_request = True
        try:
            if request_started.receivers:
                request_started.send(self, _async_wrapper=self.ensure_sync)
            answer = self.preprocess_request()
            if answer is None:
                answer = self.dispatch_request()
        except Exception as error:  # noqa: BLE001  # as Flask's own: handlers say what it is
            answer = self.handle_user_exception(error)
        return self.finalize_request(answer)

    def preprocess_request(self) -> ResponseReturnValue | None:
        request = current_request()
        hooks = self.hooks(request)
        for prepare in hooks.values:
            prepare(request.endpoint, request.view_args)
        for hook in hooks.before:
            answer: ResponseReturnValue | None = hook()
            if answer is not None:
                return answer
        return None

    def finalize_request(
        self, rv: ResponseReturnValue | HTTPException, from_error_handler: bool = False
    ) -> Response:
        if not (from_error_handler or request_finished.receivers) and isinstance(rv, Response):
            return self.process_response(rv)
        return super().finalize_request(rv, from_error_handler)

    def process_response(self, response: Response) -> Response:
        context = _cv_request.get()
        for hook in context._after_request_functions:
            response = hook(response)  # type: ignore[assignment]
        for hook in self.hooks(context.request).after:
            response = hook(response)
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        for hook in self.hooks(current_request()).teardown:
            hook(exc)
        if request_tearing_down.receivers:
            request_tearing_down.send(self, _async_wrapper=self.ensure_sync, exc=exc)

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        for hook in reversed(self.teardown_appcontext_funcs):
            hook(exc)
        if appcontext_tearing_down.receivers:
            appcontext_tearing_down.send(self, _async_wrapper=self.ensure_sync, exc=exc)
