"""``auth:`` of a provider, by its ``auth_mode``.

Each function takes the provider and a writer, and returns the auth type's settings. It takes out of
``proxy.headers`` and ``proxy.query`` what those settings send; the rest is sent as it is.

:raises Unsayable: a catalog has no words for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from bench.reach.expressions import Computed, Text, names, parse
from bench.reach.oauth2 import oauth2_client, oauth2_code, registered_client
from bench.reach.tokens import two_step
from bench.reach.unsayable import Unsayable
from bench.reach.writer import Auth, Provider, Writer

Mode = Callable[[Provider, Writer], Auth]


def no_auth(provider: Provider, writer: Writer) -> Auth:
    return {"type": "none"}


def api_key(provider: Provider, writer: Writer) -> Auth:
    proxy = provider["proxy"]
    for place in ("header", "query", "body"):
        entries = proxy.get("headers" if place == "header" else place) or {}
        for name, value in entries.items():
            if isinstance(value, str) and "apiKey" in names(parse(value)):
                del entries[name]
                return _key(place, name, parse(value), writer)
    return _key_elsewhere(proxy, writer)


def _key(place: str, name: str, value: Text, writer: Writer) -> Auth:
    if pair := _basic_pair(value):
        username, password = (writer.text(part) for part in pair)
        return {"type": "basic", "username": username, "password": password}
    return {"type": "api_key", "in": place, "name": name, "value": writer.text(value)}


def _key_elsewhere(proxy: dict[str, Any], writer: Writer) -> Auth:
    before, mark, path = proxy["base_url"].partition("${apiKey}")
    if mark:
        host, _, prefix = before.rpartition("/")
        proxy["base_url"] = host
        value = writer.text(f"/{prefix}{mark}{path}")
        return {"type": "api_key", "in": "path", "value": value}
    sent = [*(proxy.get("headers") or {}).values(), *(proxy.get("query") or {}).values()]
    if any(path.startswith("credentials.") for text in sent for path in names(parse(str(text)))):
        return {"type": "none"}  # several secrets, all of them among the headers and the query
    if proxy.get("body"):
        raise Unsayable("the key stands within the body's objects")
    raise Unsayable("where the key goes is not said")


def basic(provider: Provider, writer: Writer) -> Auth:
    headers = provider["proxy"].get("headers") or {}
    for name, value in headers.items():
        text = parse(str(value))
        if isinstance(text[0], Computed) and text[0].function == "awsSigV4":
            return _aws(provider, writer, text[0])
        if name.lower() == "authorization" and (pair := _basic_pair(text)):
            del headers[name]
            username, password = (writer.text(part) for part in pair)
            return {"type": "basic", "username": username, "password": password}
    username = writer.variable("credentials.username")
    return {
        "type": "basic",
        "username": username,
        "password": writer.variable("credentials.password"),
    }


def _basic_pair(text: Text) -> tuple[Text, Text] | None:
    """Return user and password of ``Basic ${base64(user:password)}``; None for another text."""
    if len(text) != 2 or text[0] != "Basic " or not isinstance(text[1], Computed):
        return None
    if text[1].function != "base64":
        return None
    username: list[Any] = []
    argument = list(text[1].argument)
    while argument:
        part = argument.pop(0)
        if isinstance(part, str) and ":" in part:
            before, _, after = part.partition(":")
            return (*username, before), (after, *argument)
        username.append(part)
    return None


def _aws(provider: Provider, writer: Writer, call: Computed) -> Auth:
    """Return what ``awsSigV4(id, secret, region, service, host)`` says."""
    arguments: list[list[Any]] = [[]]
    for part in call.argument:
        pieces = part.split(", ") if isinstance(part, str) else [part]
        arguments[-1].append(pieces[0])
        arguments += [[piece] for piece in pieces[1:]]
    keys = ("access_key_id", "secret_access_key", "region", "service")
    texts = [writer.text(tuple(argument)) for argument in arguments]
    del provider["proxy"]["headers"]
    return {"type": "aws_sigv4", **dict(zip(keys, texts, strict=False))}


def aws_sigv4(provider: Provider, writer: Writer) -> Auth:
    keys = ("access_key_id", "secret_access_key", "session_token")
    return {
        "type": "aws_sigv4",
        **{key: writer.variable(f"credentials.{key}") for key in keys},
        "region": writer.variable("connectionConfig.region"),
        "service": writer.variable("connectionConfig.service"),
    }


def oauth1(provider: Provider, writer: Writer) -> Auth:
    keys = ("consumer_key", "consumer_secret", "token", "token_secret")
    method = provider.get("signature_method", "HMAC-SHA1")
    auth = {key: writer.variable(f"credentials.{key}") for key in keys}
    return {"type": "oauth1", "signature_method": method, **auth}


def token_based(provider: Provider, writer: Writer) -> Auth:
    """NetSuite's: OAuth 1 with the account as its realm."""
    provider["signature_method"] = "HMAC-SHA256"
    realm = writer.variable("connectionConfig.accountId")
    return {**oauth1(provider, writer), "realm": realm}


def github_app(provider: Provider, writer: Writer) -> Auth:
    return {
        "type": "github_app",
        "app_id": writer.variable("credentials.appId", "12345"),
        "installation_id": writer.variable("connectionConfig.installation_id", "67890"),
        "private_key": writer.key("credentials.privateKey"),
    }


def plugin(provider: Provider, writer: Writer) -> Auth:
    """Keys that a vendor gives to whoever installs a plugin."""
    if provider.get("auth_type") != "BASIC":
        raise Unsayable("a plugin's own way to prove itself")
    return basic(provider, writer)


#: By ``auth_mode``.
MODES: Mapping[str, Mode] = {
    "NONE": no_auth,
    "API_KEY": api_key,
    "BASIC": basic,
    "AWS_SIGV4": aws_sigv4,
    "OAUTH1": oauth1,
    "TBA": token_based,
    "APP": github_app,
    "OAUTH2": oauth2_code,
    "OAUTH2_CC": oauth2_client,
    "MCP_OAUTH2": registered_client,
    "TWO_STEP": two_step,
    "INSTALL_PLUGIN": plugin,
}
UNKNOWN_MODES = {
    "JWT": "a JWT of its own in each request",
    "SIGNATURE": "a signature of its own",
    "MCP_OAUTH2_GENERIC": "an MCP server that is not named",
    "CUSTOM": "two credentials at once",
    "BILL": "a login that only its platform knows",
}
