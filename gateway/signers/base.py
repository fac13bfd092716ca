"""What every auth type is made of: a ``Signer``, and the ``Settings`` that a catalog gives it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError

from gateway.http_messages import HttpRequest, HttpResponse
from gateway.masking import STARS, Secret, names_a_secret
from gateway.signers.templates import has_place
from gateway.signers.tokens.connection_store import Grant
from schemas.catalog.fields import Strict, text

Auth = Mapping[str, Any]
Send = Callable[[HttpRequest], HttpResponse]
#: The keys that lead to a value within ``auth:``.
SettingPath = tuple[str | int, ...]


class AuthSettings(Strict):
    """The keys of a service's ``auth:``.

    A text is secret unless its field says ``public=True``. One of a field that says
    ``template=True``, or inside a list or a mapping, is secret where ``${...}`` filled it in, or
    where it is no template and its name is that of a secret, such as ``password``.
    """

    type = text(public=True)

    @classmethod
    def secrecy(cls) -> dict[str, bool]:
        """Return whether the text of a key is secret, for each key as a catalog spells it."""
        return {
            field.data_key or name: not field.metadata.get("public")
            for name, field in cls._declared_fields.items()
        }

    @classmethod
    def conceal(cls, settings: Auth, injected: Collection[SettingPath]) -> dict[str, Any]:
        """Return the settings by a catalog's keys, with a ``Secret`` for what may not be shown.

        :param injected: the values that came from outside the catalog.
        """
        concealed = {}
        for name, value in settings.items():
            field = cls._declared_fields[name]
            key = field.data_key or name
            if not isinstance(value, str) or field.metadata.get("template"):
                concealed[key] = _conceal_injected(value, (key,), injected)
            elif field.metadata.get("public"):
                concealed[key] = value
            else:
                concealed[key] = Secret(value)
        return concealed

    @classmethod
    def token_urls(cls, settings: Auth) -> tuple[str, ...]:
        """Return the whole URLs that tokens are fetched from, beside paths of the service."""
        return ()

    @classmethod
    def bind(cls, settings: Auth, base_url: str) -> Auth:
        """Return the settings as they are for a service at this base URL.

        :raises ValidationError: they do not fit it.
        """
        return settings


def _conceal_injected(value: Any, path: SettingPath, injected: Collection[SettingPath]) -> Any:
    if isinstance(value, dict):
        return {
            key: _conceal_injected(inner, (*path, key), injected) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [
            _conceal_injected(inner, (*path, index), injected) for index, inner in enumerate(value)
        ]
    if not isinstance(value, str):
        return value
    is_literal = names_a_secret(str(path[-1])) and not has_place(value)
    return Secret(value) if path in injected or is_literal else value


class Signer:
    """Adds a service's proof to one attempt.

    :cvar Settings: the keys of ``auth:``.
    :cvar example: ``auth:`` without its type, with which the tests call a service.
    :ivar secrets: forms of secrets that only it knows, such as Basic's base64, to be masked.
    :ivar keeps_refresh_token: tokens come by ``refresh``, from a refresh token that is kept.
    """

    Settings: ClassVar[type[AuthSettings]] = AuthSettings
    example: ClassVar[Auth] = {}
    #: The service signs its answers, ``verify`` checks them: they are read whole.
    verifies_answers: ClassVar[bool] = False
    #: The parameters are signed by their names, so a request must have them declared.
    signs_params: ClassVar[bool] = False
    #: Where the proof goes while ``in`` does not say.
    default_place: ClassVar[str] = ""
    #: The header that has the proof, in place of one that a catalog's ``headers`` has.
    proof_header: ClassVar[str] = ""
    #: The credential is fetched first: ``fetch_token`` says how.
    fetches_token: ClassVar[bool] = False
    #: The proof needs the body's bytes, so a streamed one is read whole first.
    reads_body: ClassVar[bool] = True
    #: The proof depends on the query, so a proxied one is read and quoted anew.
    reads_query: ClassVar[bool] = True

    secrets: tuple[Secret, ...] = ()
    keeps_refresh_token: bool = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        """:param auth: the service's settings, by a catalog's keys, secrets as ``Secret``."""

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        """Return the request with its proof.

        Runs once per attempt, so that times and nonces are fresh, on exactly what will be sent.

        :param token: the fetched credential where ``fetches_token``; any other signer ignores it.
        """
        raise NotImplementedError

    def verify(self, request: HttpRequest, response: HttpResponse) -> None:
        """Check the answer, once per attempt, before anything is read from its bytes.

        :param request: as it was sent, signed.
        :raises SignatureRejected: the answer is not the service's own.
        """
        raise NotImplementedError

    def fetch_token(self, send: Send, now: float) -> tuple[Secret, float]:
        """Fetch a token; ``gateway.signers.tokens`` keeps and renews it.

        :param send: sends a request to one of ``Settings.token_urls`` or to the service.
        :param now: Unix seconds.
        :returns: the token and the seconds it lives.
        :raises CredentialError: there is none to be had.
        """
        raise NotImplementedError

    def refresh(self, send: Send, now: float, refresh_token: Secret) -> Grant:
        """Fetch a token by a refresh token, which the answer may replace.

        :raises GrantRefused: there is none to be had.
        """
        raise NotImplementedError

    def adopt(self, request: HttpRequest) -> HttpRequest:
        """Return a caller's own request without the proof and the framing that its SDK gave it.

        :raises InvalidParams: the framing cannot be undone.
        """
        return request

    def needs_spool(self, request: HttpRequest) -> bool:
        """Return whether a streamed body is first read, hashed and spooled."""
        return False


def plain(value: str | Secret) -> str:
    """Return the text of a setting, secret or not."""
    return value.reveal() if isinstance(value, Secret) else value


def with_preset(settings: Auth, presets: Mapping[str, Auth]) -> dict[str, Any]:
    """Return the settings laid over those of their preset, mappings entry by entry."""
    merged = {**presets.get(settings.get("preset", ""), {})}
    for key, value in settings.items():
        base = merged.get(key)
        if isinstance(value, dict) and isinstance(base, dict):
            merged[key] = {**base, **value}
        else:
            merged[key] = value
    return merged


def check_base64_secret(settings: Auth) -> None:
    """:raises ValidationError: ``secret`` is not base64 where ``secret_encoding`` says so."""
    try:
        if settings.get("secret_encoding") == "base64":
            b64decode(settings["secret"], validate=True)
    except ValueError as error:
        raise ValidationError("must be base64, as secret_encoding says", "secret") from error


def key_of(auth: Auth) -> bytes:
    """Return ``secret`` as a key's bytes, read as ``secret_encoding`` says; stars in a dry run."""
    secret = plain(auth["secret"])
    if auth.get("secret_encoding") == "base64" and secret != STARS:
        return b64decode(secret)
    return secret.encode()
