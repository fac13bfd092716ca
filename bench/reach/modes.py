"""``auth:`` of a provider, by its ``auth_mode``.

Each function takes the provider and a writer, and returns the auth type's settings. It takes out of
``proxy.headers`` and ``proxy.query`` what those settings send; the rest is sent as it is.

:raises Unsayable: a catalog has no words for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from bench.reach.expressions import Computed, Name, Text, names, parse
from bench.reach.unsayable import Unsayable
from bench.reach.writer import Writer

Provider = dict[str, Any]
Auth = dict[str, Any]
Mode = Callable[[Provider, Writer], Auth]

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: What a browser's way to a token may have that ours has not.
CODE_ODDITIES = {
    "authorization_url_fragment": "the browser's URL has a fragment",
    "authorization_url_replacements": "the browser's URL is put together from parts",
    "authorization_code_param_in_callback": "the code comes under another name",
    "authorization_code_param_in_webhook": "the code comes by a webhook",
    "alternate_access_token_response_path": "the token stands elsewhere in the answer",
}


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
    auth |= {"grant": grant, "token_url": _token_url(provider["token_url"], writer)}
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
        "token_url": _token_url(provider["token_url"], writer),
        "pkce": not provider.get("disable_pkce", False),
    }
    if provider.get("refresh_url") not in (None, provider["token_url"]):
        auth["refresh_url"] = _token_url(provider["refresh_url"], writer)
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


def _token_url(url: str, writer: Writer) -> str:
    written = writer.url(url)
    return written if written.count("/") > 2 else f"{written}/"


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


def two_step(provider: Provider, writer: Writer) -> Auth:
    """A token of an endpoint that is described."""
    if "assertion" in provider or "token" in provider:
        return _with_assertion(provider, writer)
    response = provider.get("token_response") or {}
    if not response.get("token"):
        raise Unsayable("the token is the whole answer")
    steps = [provider, *(provider.get("additional_steps") or [])]
    requests = [_request(step, writer) for step in steps]
    auth: Auth = {"type": "token", "request": requests[-1], "token": response["token"]}
    if len(steps) > 1:
        auth["steps"] = [
            {"request": request, "save": _saved(steps, index, writer)}
            for index, request in enumerate(requests[:-1], start=1)
        ]
    auth |= _life(provider, response)
    sends = _sends(provider["proxy"], writer)
    if sends:
        auth["send"] = sends
    if writer.values:
        auth["values"] = dict(writer.values)
    return auth


def _life(provider: Provider, response: Mapping[str, Any]) -> Auth:
    if "token_expiration" in response:
        is_instant = response.get("token_expiration_strategy") == "expireAt"
        return {"expires_at" if is_instant else "expires_in": response["token_expiration"]}
    if provider.get("token_expires_in_ms"):
        return {"lifetime": provider["token_expires_in_ms"] / 1000}
    return {}


def _request(step: Provider, writer: Writer) -> dict[str, Any]:
    url, _, query = step["token_url"].partition("?")
    if any(path.startswith("step") for path in names(parse(url))):
        raise Unsayable("the next step's URL comes from the last one's answer")
    verb = step.get("token_request_method", "POST")
    request: dict[str, Any] = {"http": f"{verb} {_token_url(url, writer)}"}
    if query:
        request["query"] = {name: writer.template(text) for name, text in parse_qsl(query)}
    if step.get("token_headers"):
        request["headers"] = {
            name: writer.template(str(text)) for name, text in step["token_headers"].items()
        }
    if step.get("token_params"):
        is_form = step.get("body_format", "json") == "form"
        request["body"] = _body(step["token_params"], writer, is_form)
        request["body_format"] = "form" if is_form else "json"
    return request


def _body(value: Any, writer: Writer, is_form: bool) -> Any:
    if isinstance(value, dict):
        return {name: _body(inner, writer, is_form) for name, inner in value.items()}
    if isinstance(value, list):
        return [_body(inner, writer, is_form) for inner in value]
    if isinstance(value, str):
        return writer.template(value)
    return str(value).lower() if is_form else value


def _saved(steps: list[Provider], index: int, writer: Writer) -> dict[str, str]:
    """Return what of a step's answer the later steps name, and let templates know the names."""
    prefix = f"step{index}."
    saved = {}
    for step in steps[index:]:
        texts = [*(step.get("token_headers") or {}).values()]
        texts += (step.get("token_params") or {}).values()
        for text in texts:
            for path in names(parse(str(text))):
                if path.startswith(prefix):
                    name = Name(path).variable.lower()
                    saved[name] = path.removeprefix(prefix)
                    writer.values.pop(name, None)
    return saved


def _sends(proxy: dict[str, Any], writer: Writer) -> list[dict[str, str]]:
    """Take out of headers and query what carries the token."""
    sends = []
    for place, key in (("header", "headers"), ("query", "query")):
        entries = proxy.get(key) or {}
        for name, value in list(entries.items()):
            if "accessToken" in names(parse(str(value))):
                sends.append({"in": place, "name": name, "value": writer.template(str(value))})
                del entries[name]
    return sends


def _with_assertion(provider: Provider, writer: Writer) -> Auth:
    """A token for a JWT that is signed with a key: RFC 7523."""
    assertion = provider.get("assertion") or provider["token"]
    if assertion.get("type") == "saml":
        raise Unsayable("a SAML assertion")
    if provider.get("additional_steps"):
        raise Unsayable("a step after a signed assertion")
    header = assertion.get("header") or {}
    claims = assertion.get("payload") or {}
    auth: Auth = {"type": "oauth2", "token_url": _token_url(provider["token_url"], writer)}
    algorithm = str(header.get("alg", "RS256"))
    auth["private_key"] = writer.key("credentials.privateKey", algorithm)
    if algorithm != "RS256":
        auth["algorithm"] = algorithm
    if "kid" in header:
        auth["key_id"] = writer.text(header["kid"])
    if provider["token_params"].get("grant_type") != JWT_BEARER:
        client = writer.text(claims["iss"])
        return auth | {"client_id": client, "client_auth": "private_key_jwt"}
    auth |= {"grant": "jwt_bearer", "issuer": writer.text(claims["iss"])}
    renamed = {"sub": "sub", "aud": "audience", "scope": "scope"}
    return auth | {renamed[name]: writer.text(claims[name]) for name in renamed.keys() & claims}


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
