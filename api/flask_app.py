"""Flask, with routes, hooks and error handlers looked up once instead of for each request.

Views, hooks, error handlers, ``request``, ``g`` and signals are Flask's own. Left out is the
session, which this service does not use. What is overridden is that of Flask 3.1, which
requirements.txt pins.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask import Flask, Response, signals
from flask.ctx import RequestContext
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from api.request_context import Context, Hooks, Request, RequestGlobals, current_context
from api.routing import Routes


class App(Flask):
    """The application's class.

    :ivar routes: verb, path and whether it is an upgrade -> rule, values and hooks, of the paths
        of earlier requests.
    :ivar finish_response: is called with every response, after all hooks.
    """

    request_class = Request
    url_map_class = Routes
    app_ctx_globals_class = RequestGlobals

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.routes: dict[tuple[str, str, bool], tuple[Rule, dict[str, Any], Hooks]] = {}
        self.finish_response: Callable[[Response], Response] = lambda response: response
        self._hooks: dict[str | None, Hooks] = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function: no view or hook is a coroutine; Flask checks ten a request."""
        return func

    def request_context(self, environ: dict[str, Any]) -> RequestContext:
        return Context(self, environ)

    def hooks(self, request: flask.Request) -> Hooks:
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
            if signals.request_started.receivers:
                signals.request_started.send(self, _async_wrapper=self.ensure_sync)
            answer = self.preprocess_request()
            if answer is None:
                answer = self.dispatch_request()
        except Exception as error:  # noqa: BLE001  # as Flask's own: handlers say what it is
            answer = self.handle_user_exception(error)
        return self.finalize_request(answer)

    def preprocess_request(self) -> ResponseReturnValue | None:
        context = current_context()
        hooks = context.hooks
        for prepare in hooks.values:
            prepare(context.request.endpoint, context.request.view_args)
        for hook in hooks.before:
            answer: ResponseReturnValue | None = hook()
            if answer is not None:
                return answer
        return None

    def dispatch_request(self) -> ResponseReturnValue:
        request = current_context().request
        if request.routing_exception is not None:
            self.raise_routing_exception(request)
        rule: Any = request.url_rule
        if request.method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
            return self.make_default_options_response()
        view: Any = self.view_functions[rule.endpoint]
        return view(**(request.view_args or {}))

    def finalize_request(
        self, rv: ResponseReturnValue | HTTPException, from_error_handler: bool = False
    ) -> Response:
        if not (from_error_handler or signals.request_finished.receivers) and isinstance(
            rv, Response
        ):
            response = self.process_response(rv)
        else:
            response = super().finalize_request(rv, from_error_handler)
        return self.finish_response(response)

    def process_response(self, response: Response) -> Response:
        context = current_context()
        for hook in context._after_request_functions:
            response = hook(response)  # type: ignore[assignment]
        for hook in context.hooks.after:
            response = hook(response)
        return response

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        for hook in current_context().hooks.teardown:
            hook(exc)
        if signals.request_tearing_down.receivers:
            signals.request_tearing_down.send(self, _async_wrapper=self.ensure_sync, exc=exc)

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        for hook in reversed(self.teardown_appcontext_funcs):
            hook(exc)
        if signals.appcontext_tearing_down.receivers:
            signals.appcontext_tearing_down.send(self, _async_wrapper=self.ensure_sync, exc=exc)
