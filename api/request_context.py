"""What stands for one request while it is answered: Flask's request, ``g`` and context, made once.

What is overridden is that of Flask 3.1 and Werkzeug 3.1, which requirements.txt pins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import flask
from flask.ctx import AppContext, RequestContext, _AppCtxGlobals
from flask.globals import _cv_app, _cv_request
from flask.sessions import SessionMixin
from flask.signals import appcontext_popped, appcontext_pushed
from werkzeug.datastructures import EnvironHeaders
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, Rule
from werkzeug.wsgi import _get_server

from gateway.messages import Trace
from gateway.trace_context import TraceContext

MAX_REMEMBERED_PATHS = 4096
Hook = Callable[..., Any]


class Request(flask.Request):
    """A request that reads of its environ at once only what every request is asked for."""

    max_content_length: int | None = None
    _cached_data: bytes | None = None  # type: ignore[assignment]

    def __init__(
        self, environ: dict[str, Any], populate_request: bool = True, shallow: bool = False
    ) -> None:
        self.environ = environ
        self.shallow = shallow
        self.method = environ["REQUEST_METHOD"].upper()
        self.scheme = environ["wsgi.url_scheme"]
        path: str = environ["PATH_INFO"]
        if not path.isascii():
            path = _decode(path)
        self.path = "/" + path.lstrip("/")
        self.remote_addr = environ.get("REMOTE_ADDR")
        if populate_request and not shallow:
            environ["werkzeug.request"] = self

    @cached_property
    def headers(self) -> EnvironHeaders:  # type: ignore[override]
        return EnvironHeaders(self.environ)

    @cached_property
    def query_string(self) -> bytes:  # type: ignore[override]
        return self.environ.get("QUERY_STRING", "").encode("latin-1")

    @cached_property
    def root_path(self) -> str:  # type: ignore[override]
        return _decode(self.environ.get("SCRIPT_NAME") or "").rstrip("/")

    @cached_property
    def server(self) -> tuple[str, int | None] | None:  # type: ignore[override]
        return _get_server(self.environ)


def _decode(text: str) -> str:
    return text.encode("latin-1").decode(errors="replace")


class RequestGlobals(_AppCtxGlobals):
    """What ``flask.g`` holds while one request is answered.

    :ivar trace_context: from the caller's ``traceparent``, or begun with the first call.
    :ivar began: the instant (``time.perf_counter``) at which the request came.
    :ivar by_authorization: the caller's proof stood in ``Authorization``.
    :ivar called: service and method of the one call that this request makes.
    :ivar trace: of that call.
    :ivar is_proxy: the call passes a request on, so that the answer has the headers of a service.
    :ivar code: of the envelope that is answered.
    :ivar answer_headers: of the service, which the call's method lets its caller have.
    :ivar repeatable: the same request under the same key does no second thing.
    """

    request_id: str = ""
    trace_context: TraceContext | None = None
    began: float = 0.0
    caller: Any = None
    token: Any = None
    by_authorization: bool = False
    called: tuple[str | None, str | None] = (None, None)
    trace: Trace | None = None
    is_proxy: bool = False
    code: int = 0
    repeatable: bool = False
    answer_headers: tuple[tuple[str, str], ...] = ()
    claim: Any = None

    # Flask's own goes through a method for each attribute that is set.
    __setattr__ = object.__setattr__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Hooks:
    """What runs before and after the views of one set of blueprints, in order."""

    values: tuple[Hook, ...]
    before: tuple[Hook, ...]
    after: tuple[Hook, ...]
    teardown: tuple[Hook, ...]


_NO_HOOKS = Hooks((), (), (), ())


class Context(RequestContext):
    """The context of a request and of its app, as Flask 3.2 has them in one.

    It has no session, which this service does not use. Its URL adapter is created on first use.

    :ivar hooks: of the route that was found.
    """

    app: Any  # an ``api.flask_app.App``
    request: Request

    def __init__(
        self,
        app: Any,
        environ: dict[str, Any],
        request: Request | None = None,
        session: SessionMixin | None = None,
    ) -> None:
        self.app = app
        if request is None:
            request = app.request_class(environ)
            request.json_module = app.json
            request.max_content_length = app.config["MAX_CONTENT_LENGTH"]
        self.request = request
        self.g = RequestGlobals()
        self.hooks = _NO_HOOKS
        self.flashes = None
        self._session = session
        self._after_request_functions = []
        self._cv_tokens: list[tuple[Any, Any]] = []
        self._adapter: MapAdapter | None = None

    @property
    def url_adapter(self) -> MapAdapter | None:  # type: ignore[override]
        if self._adapter is None:
            self._adapter = self.app.create_url_adapter(self.request)
        return self._adapter

    def push(self) -> None:
        app_token = _cv_app.set(self)  # type: ignore[arg-type]
        self._cv_tokens.append((_cv_request.set(self), app_token))
        if appcontext_pushed.receivers and len(self._cv_tokens) == 1:
            appcontext_pushed.send(self.app, _async_wrapper=self.app.ensure_sync)
        self.match_request()

    def pop(self, exc: BaseException | None = None) -> None:
        """:param exc: what ended the request, for functions that tear down."""
        is_last = len(self._cv_tokens) == 1
        app = self.app
        try:
            if is_last:
                app.do_teardown_request(exc)
                if "files" in self.request.__dict__:
                    self.request.close()
                app.do_teardown_appcontext(exc)
        finally:
            request_token, app_token = self._cv_tokens.pop()
            _cv_request.reset(request_token)
            _cv_app.reset(app_token)
            if is_last:
                # Either refers to the request, which would stay until garbage is collected.
                self.request.environ["werkzeug.request"] = None
                self.request.routing_exception = None
        if appcontext_popped.receivers and is_last:
            appcontext_popped.send(app, _async_wrapper=app.ensure_sync)

    def match_request(self) -> None:
        """Find the rule of the path, by looking at the paths of earlier requests first."""
        request = self.request
        environ = request.environ
        routes: dict[Any, tuple[Any, Any, Hooks]] = self.app.routes
        key = (environ["REQUEST_METHOD"], environ["PATH_INFO"], "HTTP_UPGRADE" in environ)
        if route := routes.get(key):
            request.url_rule, values, self.hooks = route
            request.view_args = values.copy()
            return
        try:
            rule, arguments = self._match()
        except HTTPException as error:
            request.routing_exception = error
            self.hooks = self.app.hooks(request)
            return
        request.url_rule = rule
        request.view_args = dict(arguments)
        self.hooks = self.app.hooks(request)
        if self.app._got_first_request:
            if len(routes) >= MAX_REMEMBERED_PATHS:
                routes.clear()
            routes[key] = (rule, dict(arguments), self.hooks)

    def _match(self) -> tuple[Rule, Mapping[str, Any]]:
        """:raises HTTPException: no rule matches; it says why."""
        request = self.request
        if "HTTP_UPGRADE" not in request.environ:
            match: tuple[Rule, Mapping[str, Any]] | None
            if match := self.app.url_map.find(request.path, request.method):
                return match
        adapter = self.url_adapter
        assert adapter
        return adapter.match(return_rule=True)


#: Returns the context of this request; ``flask.request`` and ``flask.g`` look for it at every
#: attribute.
current_context: Callable[[], Context] = _cv_request.get  # type: ignore[assignment]
#: Returns the context of this request or command; ``flask.current_app`` looks for it at every
#: attribute.
current_app_context: Callable[[], AppContext] = _cv_app.get
