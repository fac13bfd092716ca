"""Any token endpoint as data: how a token is asked for, where it stands, how it is sent.

A vendor is an entry in ``PRESETS``, written in the keys of a catalog::

    auth: {type: token, preset: lark, values: {app_id: "${LARK_ID}", app_secret: "${LARK_SECRET}"}}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from gateway.http_messages import HttpRequest
from gateway.masking import Secret
from gateway.signers.base import Auth, AuthSettings, Send, Signer, plain, with_preset
from gateway.signers.templates import NAME, check_template, compile_template, names_needed
from gateway.signers.token_auth.answer import DEFAULT_LIFE_SECONDS, TokenAnswer
from gateway.signers.token_auth.presets import PRESETS
from gateway.signers.token_auth.request import (
    PATH_OR_URL,
    TIME_FACTS,
    Facts,
    RequestSettings,
    TokenRequest,
    check_request,
)
from schemas.catalog.fields import (
    HEADER_NAME,
    NamedMap,
    OneOfShapes,
    Strict,
    nested,
    one_of,
    seconds,
    text,
)

BEARER: Mapping[str, str] = {"in": "header", "name": "Authorization", "value": "Bearer {token}"}

NON_EMPTY = validate.Length(min=1, error="must have one at least")


class SendSettings(Strict):
    """Where a token goes in a request."""

    class Meta(Strict.Meta):
        include: ClassVar[Mapping[str, Any]] = {
            "in": text(required=True, validate=one_of("header", "query", "cookie"))
        }

    name = text(required=True)
    value = text(required=True)

    @validates_schema
    def check_header(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        if data["in"] == "header":
            try:
                HEADER_NAME(data["name"])
            except ValidationError as error:
                raise ValidationError(error.messages, "name") from error


def _check_scalar(value: Any) -> None:
    if not isinstance(value, str | int | float):
        raise ValidationError("must be a list of texts, numbers or booleans, such as [0]")


def _ok() -> NamedMap:
    """Return the field of what an answer has to have, by place, to count as a yes."""
    return NamedMap(fields.List(fields.Raw(validate=_check_scalar), validate=NON_EMPTY))


class StepSettings(Strict):
    """One request before the last, and what of its answer the later ones may name."""

    request = nested(RequestSettings, required=True)
    ok = _ok()
    message = text()
    save = NamedMap(text(), NAME, required=True)


def _check_templates(auth: Auth) -> None:
    """:raises ValidationError: a template names what is not known where it stands."""
    values = auth.get("values", {})
    names = {*values}
    for index, step in enumerate(auth.get("steps", [])):
        check_request(step["request"], names, "steps", str(index), "request")
        names |= step["save"].keys()
    check_request(auth["request"], names, "request")
    for sent in _sends(auth):
        check_template(sent["value"], {*values, *TIME_FACTS, "token"}, "send", "value")
    for name, value in values.items():
        check_template(value, {*names, *TIME_FACTS}, "values", name)
        try:
            names_needed(value, values, (name,))
        except ValueError as error:
            raise ValidationError({name: [f"{{{error}}} needs itself"]}, "values") from error


def _sends(auth: Auth) -> Sequence[Mapping[str, str]]:
    send = auth.get("send", BEARER)
    return send if isinstance(send, list) else [send]


class TokenAuth(Signer):
    """Fetches a token as ``request`` describes it, and sends it where ``send`` says."""

    class Settings(AuthSettings):
        preset = text(validate=one_of(*PRESETS), public=True)
        values = NamedMap(text(), NAME)
        steps = fields.List(nested(StepSettings), validate=NON_EMPTY)
        request = nested(RequestSettings)
        ok = _ok()
        message = text(public=True)
        token = text(public=True)
        expires_in = text(public=True)
        expires_at = text(public=True)
        lifetime = seconds()
        send = OneOfShapes(
            lambda value: (
                fields.List(nested(SendSettings), validate=NON_EMPTY)
                if isinstance(value, list)
                else nested(SendSettings)
            )
        )

        @pre_load
        def fill_preset(self, data: Any, **kwargs: Any) -> Any:
            has_preset = isinstance(data, dict) and isinstance(data.get("preset"), str)
            return with_preset(data, PRESETS) if has_preset else data

        @validates_schema
        def check_whole(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            for key in ("request", "token"):
                if key not in data:
                    presets = ", ".join(PRESETS)
                    raise ValidationError(f"missing; say it, or a preset: {presets}", key)
            missing = [name for name, value in data.get("values", {}).items() if not value]
            if missing:
                raise ValidationError(
                    {name: ["missing; this value is required"] for name in missing}, "values"
                )
            if "expires_in" in data and "expires_at" in data:
                raise ValidationError("only one of expires_in and expires_at", "expires_at")
            _check_templates(data)

        @classmethod
        def token_urls(cls, settings: Auth) -> tuple[str, ...]:
            requests = [step["request"] for step in settings.get("steps", ())]
            urls = [
                plain(request["http"]).split(" ", 1)[1]
                for request in (*requests, settings["request"])
            ]
            return tuple(url for url in urls if not url.startswith("/"))

    example: ClassVar[Auth] = {
        "values": {"id": "app", "secret": "${SECRET}"},
        "request": {"http": "POST /t", "body": {"id": "{id}", "secret": "{secret}"}},
        "token": "access_token",
        "send": {"in": "header", "name": "X-Token", "value": "Token {token}"},
    }
    fetches_token = True
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        values = auth.get("values", {})
        self._values = {name: compile_template(plain(value)) for name, value in values.items()}
        self._steps = [_Step(step, base_url) for step in auth.get("steps", ())]
        self._request = TokenRequest(auth["request"], base_url)
        self._ok = auth.get("ok", {})
        self._message_place = auth.get("message")
        self._token_place = auth["token"]
        self._expires_in = auth.get("expires_in")
        self._expires_at = auth.get("expires_at")
        self._lifetime = auth.get("lifetime", DEFAULT_LIFE_SECONDS)
        self._sends = [
            (sent["in"], plain(sent["name"]), compile_template(plain(sent["value"])))
            for sent in _sends(auth)
        ]

    def fetch_token(self, send: Send, now: float) -> tuple[Secret, float]:
        facts = Facts(self._values, now)
        for step in self._steps:
            facts.update(step.run(send, facts))
        answer = TokenAnswer(send(self._request.fill(facts)), self._ok, self._message_place)
        answer.check()
        token = answer.token(self._token_place)
        if token is None:
            raise answer.refusal()
        life = answer.life(self._expires_in, self._expires_at, now)
        return token, self._lifetime if life is None else life

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        facts = Facts(self._values, request.at)
        facts["token"] = token.reveal().encode()
        for place, name, fill in self._sends:
            value = fill(facts.__getitem__).decode()
            if place == "query":
                request = request.with_query((name, value))
            elif place == "cookie":
                cookies = filter(None, (request.header("Cookie"), f"{name}={value}"))
                request = request.with_header("Cookie", "; ".join(cookies))
            else:
                request = request.with_header(name, value)
        return request


class AppSecret(TokenAuth):
    """WeChat's token, of the preset ``wechat``: secret and token both go in the query."""

    class Settings(AuthSettings):
        app_id = text(required=True, public=True)
        secret = text(required=True)
        token_url = text(
            required=True,
            validate=validate.Regexp(
                PATH_OR_URL, error="must be a path such as /cgi-bin/token, or a URL under base_url"
            ),
            public=True,
        )

        @classmethod
        def bind(cls, settings: Auth, base_url: str) -> Auth:
            """Return the settings with the token's path, which is the same under the backup URL."""
            path = settings["token_url"].removeprefix(base_url.rstrip("/"))
            if not path.startswith("/"):
                problem = f"must be a path, or a URL under {base_url}"
                raise ValidationError({"token_url": [problem]})
            return {**settings, "token_url": path}

    example: ClassVar[Auth] = {"app_id": "app", "secret": "${SECRET}", "token_url": "/t"}

    def __init__(self, auth: Auth, base_url: str) -> None:
        preset = PRESETS["wechat"]
        path = plain(auth["token_url"])
        described = {
            **preset,
            "request": {**preset["request"], "http": f"GET {path}"},
            "values": {"app_id": auth["app_id"], "app_secret": auth["secret"]},
        }
        super().__init__(described, base_url)


class _Step:
    """A request before the last."""

    def __init__(self, settings: Mapping[str, Any], base_url: str) -> None:
        self._request = TokenRequest(settings["request"], base_url)
        self._ok = settings.get("ok", {})
        self._message_place = settings.get("message")
        self._places = settings["save"]

    def run(self, send: Send, facts: Facts) -> dict[str, bytes]:
        """Return what the answer has, by the names under which later requests know it.

        :raises CredentialError: it said no, or has not all of it.
        """
        answer = TokenAnswer(send(self._request.fill(facts)), self._ok, self._message_place)
        answer.check()
        saved = {name: answer.text(place) for name, place in self._places.items()}
        if None in saved.values():
            raise answer.refusal()
        return {name: value.encode() for name, value in saved.items() if value is not None}
