"""The requests that a call would send, with stars for secrets."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from gateway.catalog.hosts import method_at
from gateway.catalog.model import Method, Service
from gateway.clock import Clock
from gateway.errors import CredentialError, NoInstance
from gateway.http.request_builder import RequestBuilder, binary_params
from gateway.http_messages import HttpRequest, HttpResponse
from gateway.masking import STARS, Secret, is_secret_name
from gateway.messages import Call
from gateway.runtime import Runtime
from gateway.signers import make_signer


def dry_run(method: Method, call: Call, runtime: Runtime) -> HttpRequest:
    """Return the request an attempt would send.

    It has stars for secrets, for what ``mask`` names and for a fetched token. Where a registry has
    no instance to send it to, it has the service's name.
    """
    method = method_at(method, call.params)
    service = method.service
    call = replace(call, params=_mask_params(call.params, method.mask, binary_params(method)))
    method = replace(
        method, headers=_mask_secrets(method.headers), query=_mask_secrets(method.query)
    )
    signer = make_signer(_mask_auth(service.auth), service.base_urls[0])
    next_url = partial(
        _url_of_instance, runtime.client.channel(service).rotation(service.base_urls), service
    )
    request = RequestBuilder(method, next_url, runtime.clock).build(call)
    return signer.sign(request, Secret(STARS))


def _url_of_instance(next_url: Callable[[], str], service: Service) -> str:
    try:
        return next_url()
    except NoInstance:
        return service.base_urls[0]


def dry_run_token(method: Method, call: Call, clock: Clock) -> HttpRequest | None:
    """Return the first request for a token, with stars for secrets; None where none is fetched."""
    service = method_at(method, call.params).service
    signer = make_signer(_mask_auth(service.auth), service.base_urls[0])
    if not signer.fetches_token:
        return None
    requests: list[HttpRequest] = []

    def capture(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        raise CredentialError(detail="a dry run sends nothing")

    with suppress(CredentialError):
        if signer.keeps_refresh_token:
            signer.refresh(capture, clock.wall(), Secret(STARS))
        else:
            signer.fetch_token(capture, clock.wall())
    return requests[0]


def _mask_secrets(declared: Mapping[str, str]) -> dict[str, str]:
    return {name: STARS if is_secret_name(name) else text for name, text in declared.items()}


def _mask_params(
    params: Mapping[str, Any], hidden: frozenset[str], binary: frozenset[str]
) -> dict[str, Any]:
    """:param binary: names of parameters that stay base64."""
    masked: dict[str, Any] = {}
    for name, value in params.items():
        if name not in hidden:
            masked[name] = _mask_within(value, hidden)
            continue
        stars = b64encode(STARS.encode()).decode() if name in binary else STARS
        masked[name] = [stars] if isinstance(value, list) else stars
    return masked


def _mask_within(value: Any, hidden: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return _mask_params(value, hidden, frozenset())
    if isinstance(value, list):
        return [_mask_within(item, hidden) for item in value]
    return value


def _mask_auth(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _mask_auth(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mask_auth(inner) for inner in value]
    return Secret(STARS) if isinstance(value, Secret) else value
