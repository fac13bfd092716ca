"""A token of an endpoint that is described: its request, its steps, or a signed assertion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from bench.reach.expressions import Name, names, parse
from bench.reach.unsayable import Unsayable
from bench.reach.writer import Auth, Provider, Writer

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


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
    request: dict[str, Any] = {"http": f"{verb} {token_url(url, writer)}"}
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
    auth: Auth = {"type": "oauth2", "token_url": token_url(provider["token_url"], writer)}
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


def token_url(url: str, writer: Writer) -> str:
    written = writer.url(url)
    return written if written.count("/") > 2 else f"{written}/"
