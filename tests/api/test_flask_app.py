"""Our application class does with views, hooks, signals and errors what Flask does, in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from typing import Any

import flask
import pytest
from flask import (
    Blueprint,
    Flask,
    Response,
    abort,
    after_this_request,
    current_app,
    g,
    request,
    stream_with_context,
    url_for,
)
from flask import signals as flask_signals
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import EnvironHeaders
from werkzeug.test import EnvironBuilder

from api.flask_app import App
from api.request_context import Request

SIGNALS = (
    "appcontext_popped", "appcontext_pushed", "appcontext_tearing_down", "request_finished",
    "request_started", "request_tearing_down",
)  # fmt: skip
STREAM = ("GET", "/streamed")
REQUESTS = [
    ("GET", "/plain/7?a=1"), ("GET", "/nested/x"), ("POST", "/nested/x"), ("OPTIONS", "/nested/x"),
    ("GET", "/broken"), ("GET", "/aborted"), ("GET", "/nowhere"), ("HEAD", "/plain/7"),
    ("GET", "/early?early=1"), STREAM, ("GET", "/tuple"), ("GET", "/with-url"),
]  # fmt: skip


def make(app_class: Callable[..., Flask], events: list[Any], **options: Any) -> Flask:
    """An application that notes what is called when, with what in reach."""
    app = app_class("an_app", static_folder=None, **options)
    blueprint = Blueprint("nested", "an_app")

    def note(name: str) -> Callable[..., None]:
        def write(*args: Any) -> None:
            where = (request.method, request.path, request.endpoint, request.view_args)
            events.append((name, where, current_app.name, g.get("began")))

        return write

    @app.before_request
    def begin() -> Any:
        g.began = True
        note("before")()
        return "early" if "early" in request.args else None

    @app.after_request
    def end(response: Response) -> Response:
        note("after")()
        response.headers["X-Path"] = request.path
        return response

    @blueprint.after_request
    def end_nested(response: Response) -> Response:
        note("after nested")()
        return response

    app.url_value_preprocessor(note("values"))
    blueprint.url_value_preprocessor(note("values nested"))
    blueprint.before_request(note("before nested"))
    app.teardown_request(note("teardown"))
    blueprint.teardown_request(note("teardown nested"))
    app.teardown_appcontext(lambda error: events.append(("teardown app", current_app.name, error)))
    app.register_error_handler(ZeroDivisionError, lambda error: ("divided", 500))
    app.register_error_handler(404, lambda error: ("none", 404))

    @app.get("/plain/<int:number>")
    def plain(number: int) -> str:
        note("view")()
        return f"{number + 1} {request.args.get('a')}"

    @blueprint.get("/nested/<name>")
    def nested(name: str) -> str:
        def last(response: Response) -> Response:
            note("after this")()
            return response

        after_this_request(last)
        return name

    @app.get("/broken")
    def broken() -> str:
        raise ZeroDivisionError

    @app.get("/aborted")
    def aborted() -> str:
        abort(418)

    @app.get("/early")
    def early() -> str:
        return "late"

    @app.get("/streamed")
    def streamed() -> Response:
        def pieces() -> Iterator[str]:
            yield request.path
            yield str(g.began)

        return Response(stream_with_context(pieces()))

    @app.get("/tuple")
    def values() -> Any:
        return {"a": 1}, 201, {"X-More": "1"}

    @app.get("/with-url")
    def with_url() -> str:
        return url_for("nested.nested", name="y") + url_for("plain", number=1, _external=True)

    app.register_blueprint(blueprint)
    return app


@pytest.mark.parametrize("listens", [False, True], ids=["no signals", "signals"])
def test_views_hooks_errors_and_signals_are_as_flask_has_them(listens: bool) -> None:
    """But for the signals of a stream: its one context is pushed once, as Flask 3.2 has it."""
    requests = [pair for pair in REQUESTS if not (listens and pair == STREAM)]
    assert history(App, requests, listens) == history(Flask, requests, listens)


def history(
    app_class: type[Flask], requests: list[tuple[str, str]], listens: bool
) -> tuple[list[Any], list[Any]]:
    """Return the answers, and what was called meanwhile."""
    events: list[Any] = []
    app = make(app_class, events)
    client = app.test_client()
    answers = []
    with ExitStack() as stack:
        for name in SIGNALS if listens else ():
            listener = partial(hear, events, name)
            stack.enter_context(getattr(flask_signals, name).connected_to(listener, app))
        for verb, path in requests * 2:  # a path is looked up once
            answer = client.open(path, method=verb)
            allowed = sorted(answer.headers.pop("Allow", "").split(", "))
            answers.append((answer.status, sorted(answer.headers), answer.data, allowed))
    return answers, events


def hear(events: list[Any], name: str, sender: Any, **_: Any) -> None:
    events.append(name)


def test_a_client_that_keeps_its_context_can_look_at_the_request() -> None:
    app = make(App, [])
    with app.test_client() as client:
        client.get("/plain/7?a=1")
        assert request.args["a"] == "1"
        assert g.began
        assert flask.has_app_context()
    assert not flask.has_app_context()
    assert not flask.has_request_context()


def test_a_context_can_be_made_by_hand_and_leaves_the_one_outside_as_it_was() -> None:
    app = make(App, [])
    with app.app_context():
        g.outside = True
        with app.test_request_context("/plain/7"):
            assert request.path == "/plain/7"
            assert url_for("plain", number=2) == "/plain/2"
        assert g.outside
        assert not flask.has_request_context()


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=8)
SEEN = (
    "method", "path", "full_path", "root_path", "script_root", "scheme", "host", "url", "base_url",
    "root_url", "query_string", "server", "remote_addr", "is_secure", "content_type",
    "content_length", "mimetype", "user_agent.string", "blueprints", "endpoint", "view_args",
)  # fmt: skip


@settings(derandomize=True, deadline=None)
@given(path=TEXT, prefix=TEXT, query=st.dictionaries(TEXT, TEXT, max_size=3), https=st.booleans())
def test_a_request_tells_what_flasks_own_tells(
    path: str, prefix: str, query: dict[str, str], https: bool
) -> None:
    builder = EnvironBuilder(
        base_url=f"{'https' if https else 'http'}://example.com:8080",
        query_string=query,
        method="POST",
        data=b"body",
        headers={"X-A": "1", "Content-Type": "text/plain"},
    )
    environ = builder.get_environ()
    environ["PATH_INFO"] = f"/{path}".encode().decode("latin-1")
    environ["SCRIPT_NAME"] = f"/{prefix}".encode().decode("latin-1")
    own, flasks = (
        kind({**environ, "wsgi.input": BytesIO(b"body")}) for kind in (Request, flask.Request)
    )
    for name in SEEN:
        assert _read(own, name) == _read(flasks, name), name
    assert list(own.headers) == list(flasks.headers)
    assert isinstance(own.headers, EnvironHeaders)
    assert own.args == flasks.args
    assert own.get_data() == flasks.get_data() == b"body"


def _read(value: Any, path: str) -> Any:
    for name in path.split("."):
        value = getattr(value, name)
    return value
