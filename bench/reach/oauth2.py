"""OAuth 2.0 of a provider: by client credentials, or by an admin at a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.reach.expressions import names, parse
from bench.reach.tokens import token_url, two_step
from bench.reach.unsayable import Unsayable
from bench.reach.writer import Auth, Provider, Writer

#: What a browser's way to a token may have that ours has not.
CODE_ODDITIES = {
    "authorization_url_fragment": "the browser's URL has a fragment",
    "authorization_url_replacements": "the browser's URL is put together from parts",
    "authorization_code_param_in_callback": "the code comes under another name",
    "authorization_code_param_in_webhook": "the code comes by a webhook",
    "alternate_access_token_response_path": "the token stands elsewhere in the answer",
}


def oauth2_client(provider: Provider, writer: Writer) -> Auth:
    """Client credentials, or whatever else ``token_params.grant_type`` says."""
    params = dict(provider.get("token_params") or {})
    grant = params.pop("grant_type", "client_credentials")
    if provider.get("require_client_certificate"):
        raise Unsayable("a client's certificate, which is not tried here")
    described = (
        provider.get("body_format") == "json"
        or provider.get("token_headers")
        or "?" in provider["token_url"]
        or grant not in ("client_credentials", "password")
        or _sends_token(provider)
    )
    if described:
        return _described_client(provider, writer)
    auth = _client(provider, writer, "body")
    auth |= {"grant": grant, "token_url": token_url(provider["token_url"], writer)}
    if grant == "password":
        auth |= {key: writer.text(str(params.pop(key))) for key in ("username", "password")}
    return auth | _extra(params, writer)


def oauth2_code(provider: Provider, writer: Writer) -> Auth:
    """Authorization code: an admin connects the account at a browser."""
    for key, reason in CODE_ODDITIES.items():
        if provider.get(key):
            raise Unsayable(reason)
    if not isinstance(provider["token_url"], str):
        raise Unsayable("several token endpoints")
    if _sends_token(provider):
        raise Unsayable("the token is sent otherwise than as Bearer")
    params = dict(provider.get("token_params") or {})
    params.pop("grant_type", None)
    extra = dict(provider.get("authorization_params") or {})
    extra.pop("response_type", None)
    auth = _client(provider, writer, "body") | {
        "grant": "authorization_code",
        "authorization_url": writer.url(provider["authorization_url"]),
        "token_url": token_url(provider["token_url"], writer),
        "pkce": not provider.get("disable_pkce", False),
    }
    if provider.get("refresh_url") not in (None, provider["token_url"]):
        auth["refresh_url"] = token_url(provider["refresh_url"], writer)
    if provider.get("body_format") == "json":
        auth["body_format"] = "json"
    if extra:
        auth["authorization_extra"] = {key: writer.text(str(value)) for key, value in extra.items()}
    if provider.get("default_scopes"):
        auth["scope"] = provider.get("scope_separator", " ").join(provider["default_scopes"])
    return auth | _extra(params, writer)


def registered_client(provider: Provider, writer: Writer) -> Auth:
    """An MCP server's: as above where the client was registered by hand."""
    if provider.get("client_registration") != "static":
        raise Unsayable("a client that registers itself (RFC 7591)")
    return oauth2_code(provider, writer)


def _client(provider: Provider, writer: Writer, usual: str) -> Auth:
    method = provider.get("token_request_auth_method") or provider.get("authorization_method")
    methods = {"basic": "basic", "header": "basic", "body": "body", None: usual}
    if method == "private_key_jwt":
        key = writer.key("credentials.privateKey")
        secret = {"client_auth": "private_key_jwt", "private_key": key}
    elif method in methods:
        secret = {"client_auth": methods[method], "client_secret": writer.variable("clientSecret")}
    else:
        raise Unsayable(f"a client that proves itself in a way called {method}")
    return {"type": "oauth2", "client_id": writer.variable("clientId"), **secret}


def _extra(params: Mapping[str, Any], writer: Writer) -> Auth:
    extra = {key: writer.text(str(value)) for key, value in params.items()}
    return {"extra": extra} if extra else {}


def _sends_token(provider: Provider) -> bool:
    """Whether the token goes elsewhere than into ``Authorization: Bearer``."""
    proxy = provider["proxy"]
    sent = [*(proxy.get("headers") or {}).items(), *(proxy.get("query") or {}).items()]
    return any(
        "accessToken" in names(parse(str(value)))
        and (name.lower(), value) != ("authorization", "Bearer ${accessToken}")
        for name, value in sent
    )


def _described_client(provider: Provider, writer: Writer) -> Auth:
    """Client credentials in a request that is described, because its form is its own."""
    params = dict(provider.get("token_params") or {})
    headers = dict(provider.get("token_headers") or {})
    if provider.get("token_request_auth_method") == "basic":
        headers["Authorization"] = "Basic ${base64(${clientId}:${clientSecret})}"
    elif "authorization" not in {name.lower() for name in headers}:
        params = {"client_id": "${clientId}", "client_secret": "${clientSecret}", **params}
    described = {
        "body_format": "form",
        "token_response": {"token": "access_token", "token_expiration": "expires_in"},
        **provider,
        "token_params": params,
        "token_headers": headers,
    }
    return two_step(described, writer)
