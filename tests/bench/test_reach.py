"""``python -m bench.reach``: what becomes of each kind of provider, and why some are no service."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.reach.providers import ProvidersError, judge, read_providers

BASE = {"base_url": "https://api.acme.example"}
CODE = {
    "auth_mode": "OAUTH2",
    "authorization_url": "https://${connectionConfig.subdomain}.acme.example/authorize",
    "authorization_params": {"response_type": "code", "access_type": "offline"},
    "token_url": "https://${connectionConfig.subdomain}.acme.example/token",
    "token_params": {"grant_type": "authorization_code"},
    "default_scopes": ["read", "write"],
    "scope_separator": ",",
    "proxy": BASE,
}
ASSERTION = {
    "auth_mode": "TWO_STEP",
    "body_format": "form",
    "token_url": "https://acme.example/token",
    "token": {
        "header": {"alg": "RS256", "kid": "${credentials.keyId}"},
        "payload": {"iss": "${credentials.clientId}", "aud": "acme", "sub": "${credentials.user}"},
    },
    "token_params": {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": "${token}",
    },
    "proxy": BASE,
}
#: Made up, one of a kind: the provider, and what of its service matters.
SERVICES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "open": ({"auth_mode": "NONE", "proxy": BASE}, {"auth": {"type": "none"}}),
    "key-in-a-header": (
        {
            "auth_mode": "API_KEY",
            "proxy": {
                "base_url": "https://${connectionConfig.host} || https://acme.example",
                "headers": {"x-key": "Key ${apiKey}", "x-team": "${connectionConfig.teamId}"},
            },
        },
        {
            "base_url": "https://acme.example",
            "auth": {"type": "api_key", "in": "header", "name": "x-key", "value": "Key ${API_KEY}"},
            "headers": {"x-team": "${TEAM_ID}"},
        },
    ),
    "key-in-the-query": (
        {"auth_mode": "API_KEY", "proxy": {**BASE, "query": {"key": "${apiKey}"}}},
        {"auth": {"type": "api_key", "in": "query", "name": "key", "value": "${API_KEY}"}},
    ),
    "key-in-the-path": (
        {"auth_mode": "API_KEY", "proxy": {"base_url": "https://acme.example/bot${apiKey}"}},
        {
            "base_url": "https://acme.example",
            "auth": {"type": "api_key", "in": "path", "value": "/bot${API_KEY}"},
        },
    ),
    "key-as-a-user": (
        {
            "auth_mode": "API_KEY",
            "proxy": {**BASE, "headers": {"authorization": "Basic ${base64(${apiKey}:x)}"}},
        },
        {"auth": {"type": "basic", "username": "${API_KEY}", "password": "x"}},
    ),
    "basic": (
        {"auth_mode": "BASIC", "proxy": BASE},
        {"auth": {"type": "basic", "username": "${USERNAME}", "password": "${PASSWORD}"}},
    ),
    "another-basic": (
        {"alias": "basic", "proxy": {"base_url": "${connectionConfig.url}/v2"}},
        {
            "base_url": "${URL}/v2",
            "auth": {"type": "basic", "username": "${USERNAME}", "password": "${PASSWORD}"},
        },
    ),
    "signed-for-aws": (
        {
            "auth_mode": "BASIC",
            "proxy": {
                **BASE,
                "headers": {
                    "authorization": "${awsSigV4(${credentials.username}, ${credentials.password}, "
                    "${connectionConfig.region}, iam)}",
                    "x-amz-date": "${now:YYYYMMDDTHHmmss[Z]}",
                },
            },
        },
        {
            "auth": {
                "type": "aws_sigv4",
                "access_key_id": "${USERNAME}",
                "secret_access_key": "${PASSWORD}",
                "region": "${REGION}",
                "service": "iam",
            }
        },
    ),
    "client-credentials": (
        {
            "auth_mode": "OAUTH2_CC",
            "token_url": "https://login.acme.example/token",
            "token_request_auth_method": "basic",
            "token_params": {"grant_type": "client_credentials", "audience": "https://a.example"},
            "proxy": BASE,
        },
        {
            "auth": {
                "type": "oauth2",
                "grant": "client_credentials",
                "client_id": "${CLIENT_ID}",
                "client_auth": "basic",
                "client_secret": "${CLIENT_SECRET}",
                "token_url": "https://login.acme.example/token",
                "extra": {"audience": "https://a.example"},
            }
        },
    ),
    "client-credentials-in-json": (
        {
            "auth_mode": "OAUTH2_CC",
            "body_format": "json",
            "token_url": "https://login.acme.example/token?v=2",
            "token_params": {"grant_type": "account", "team": "${connectionConfig.team}"},
            "proxy": BASE,
        },
        {
            "auth": {
                "type": "token",
                "request": {
                    "http": "POST https://login.acme.example/token",
                    "query": {"v": "2"},
                    "body": {
                        "client_id": "{client_id}",
                        "client_secret": "{client_secret}",
                        "grant_type": "account",
                        "team": "{team}",
                    },
                    "body_format": "json",
                },
                "token": "access_token",
                "expires_in": "expires_in",
                "values": {
                    "client_id": "${CLIENT_ID}",
                    "client_secret": "${CLIENT_SECRET}",
                    "team": "${TEAM}",
                },
            }
        },
    ),
    "login": (
        {
            "auth_mode": "TWO_STEP",
            "token_url": "https://acme.example/login",
            "token_headers": {
                "authorization": "Basic ${base64(${credentials.user}:${credentials.pass})}"
            },
            "token_params": {"remember": True},
            "token_response": {"token": "data.jwt"},
            "token_expires_in_ms": 3600000,
            "proxy": {**BASE, "headers": {"x-session": "${accessToken}"}},
        },
        {
            "auth": {
                "type": "token",
                "request": {
                    "http": "POST https://acme.example/login",
                    "headers": {"authorization": "Basic {text_2|base64}"},
                    "body": {"remember": True},
                    "body_format": "json",
                },
                "token": "data.jwt",
                "lifetime": 3600.0,
                "send": [{"in": "header", "name": "x-session", "value": "{token}"}],
                "values": {"user": "${USER}", "pass": "${PASS}", "text_2": "{user}:{pass}"},
            }
        },
    ),
    "two-requests": (
        {
            "auth_mode": "TWO_STEP",
            "body_format": "form",
            "token_url": "https://acme.example/ticket",
            "token_params": {"key": "${credentials.key}"},
            "additional_steps": [
                {
                    "token_request_method": "GET",
                    "token_url": "https://acme.example/session",
                    "token_headers": {"x-ticket": "${step1.data.ticket}"},
                }
            ],
            "token_response": {
                "token": "session",
                "token_expiration": "until",
                "token_expiration_strategy": "expireAt",
            },
            "proxy": BASE,
        },
        {
            "auth": {
                "type": "token",
                "steps": [
                    {
                        "request": {
                            "http": "POST https://acme.example/ticket",
                            "body": {"key": "{key}"},
                            "body_format": "form",
                        },
                        "save": {"step1_data_ticket": "data.ticket"},
                    }
                ],
                "request": {
                    "http": "GET https://acme.example/session",
                    "headers": {"x-ticket": "{step1_data_ticket}"},
                },
                "token": "session",
                "expires_at": "until",
                "values": {"key": "${KEY}"},
            }
        },
    ),
    "assertion": (
        ASSERTION,
        {
            "auth": {
                "type": "oauth2",
                "grant": "jwt_bearer",
                "token_url": "https://acme.example/token",
                "private_key": "${PRIVATE_KEY}",
                "key_id": "${KEY_ID}",
                "issuer": "${CLIENT_ID}",
                "audience": "acme",
                "sub": "${USER}",
            }
        },
    ),
    "oauth1": (
        {"auth_mode": "OAUTH1", "signature_method": "HMAC-SHA1", "proxy": BASE},
        {
            "auth": {
                "type": "oauth1",
                "signature_method": "HMAC-SHA1",
                "consumer_key": "${CONSUMER_KEY}",
                "consumer_secret": "${CONSUMER_SECRET}",
                "token": "${TOKEN}",
                "token_secret": "${TOKEN_SECRET}",
            }
        },
    ),
    "app": (
        {"auth_mode": "APP", "proxy": BASE},
        {
            "auth": {
                "type": "github_app",
                "app_id": "${APP_ID}",
                "installation_id": "${INSTALLATION_ID}",
                "private_key": "${PRIVATE_KEY}",
            }
        },
    ),
}
NONE_OF_OURS: dict[str, tuple[dict[str, Any], str]] = {
    "no-address": ({"auth_mode": "BASIC"}, "no base_url"),
    "key-of-nowhere": ({"auth_mode": "API_KEY", "proxy": BASE}, "where the key goes is not said"),
    "computed": (
        {"auth_mode": "API_KEY", "proxy": {**BASE, "headers": {"x": "${md5(${apiKey})}"}}},
        "computes md5",
    ),
    "own-jwt": ({"auth_mode": "JWT", "proxy": BASE}, "a JWT of its own in each request"),
    "saml": (
        {**ASSERTION, "assertion": {"type": "saml"}},
        "a SAML assertion",
    ),
    "odd-code": (
        {**CODE, "authorization_code_param_in_callback": "auth_code"},
        "the code comes under another name",
    ),
    "address-from-an-answer": (
        {
            "auth_mode": "TWO_STEP",
            "token_url": "https://acme.example/where",
            "additional_steps": [{"token_url": "${step1.url}/token"}],
            "token_response": {"token": "t"},
            "proxy": BASE,
        },
        "the next step's URL comes from the last one's answer",
    ),
    "unknown": ({"auth_mode": "MAGIC", "proxy": BASE}, "an auth_mode that is not known"),
    "refused-by-the-checker": (
        {"auth_mode": "NONE", "proxy": {"base_url": "ftp://acme.example"}},
        "base_url: must be an http(s) URL without user, query or fragment, such as https://api.example.com",
    ),
    "half": ({"auth_mode": "OAUTH2_CC", "proxy": BASE}, "no token_url"),
}
PROVIDERS = {name: provider for name, (provider, _) in {**SERVICES, **NONE_OF_OURS}.items()}
WRITTEN = yaml.safe_dump(PROVIDERS, sort_keys=False)


@pytest.mark.parametrize("name", SERVICES)
def test_a_provider_of_a_kind_that_we_know_becomes_a_service(name: str) -> None:
    outcome = judge(name, read_providers(WRITTEN)[name])
    assert outcome.reason == ""
    service = json.loads(outcome.text)["services"][name]
    expected = SERVICES[name][1]
    assert {key: service.get(key) for key in expected} == expected
    assert service.keys() - expected.keys() <= {"base_url", "methods"}


@pytest.mark.parametrize("name", NONE_OF_OURS)
def test_a_provider_that_is_no_service_says_why(name: str) -> None:
    assert judge(name, PROVIDERS[name]).reason == NONE_OF_OURS[name][1]


def test_an_account_that_is_connected_at_a_browser_becomes_a_service() -> None:
    odd = {"body_format": "json", "refresh_url": "https://acme.example/refresh"}
    outcome = judge("code", CODE | odd)
    assert outcome.reason == ""
    auth = json.loads(outcome.text)["services"]["code"]["auth"]
    assert auth["authorization_url"] == "https://${SUBDOMAIN}.acme.example/authorize"
    assert (auth["body_format"], auth["refresh_url"]) == ("json", "https://acme.example/refresh")
    assert (auth["scope"], auth["authorization_extra"]) == (
        "read,write",
        {"access_type": "offline"},
    )


def test_the_command_counts_by_auth_mode_and_by_reason(tmp_path: Path) -> None:
    file = tmp_path / "providers.yaml"
    file.write_text(WRITTEN)
    command = [sys.executable, "-m", "bench.reach"]
    done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["API_KEY", "6", "4", "67", "%"] in lines
    assert ["all", str(len(PROVIDERS)), str(len(SERVICES)), "60", "%"] in lines
    assert ["1", "API_KEY", "computes", "md5"] in lines
    result = subprocess.run(
        [*command, str(file), "--show", "open"], capture_output=True, text=True, check=True
    )
    assert json.loads(result.stdout)["services"].keys() == {"open"}


@pytest.mark.parametrize(
    ("text", "says"),
    [("a: [", "not YAML"), ("- a", "must be a mapping"), ("a: 1", "must be a mapping")],
)
def test_a_file_of_something_else_is_refused(text: str, says: str) -> None:
    with pytest.raises(ProvidersError, match=says):
        read_providers(text)
