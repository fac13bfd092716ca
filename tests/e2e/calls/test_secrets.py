"""After every kind of failure, no log line, answer or header holds a secret."""

from __future__ import annotations

import re

from examples.clients.postern_auth import PosternAuth
from sandbox import Sandbox
from tests.e2e.live import PASSWORD, Live, catalog_for, wait_for

FAULTS = [
    "html",
    "status=500",
    "status=404",
    "status=401",
    "reset",
    "close",
    "truncated",
    "garbage",
    "bad-gzip",
    "latin",
]
TEXT = "the text nobody may read"


def test_no_secret_is_in_logs_answers_or_exception_text(box: Sandbox, database, tmp_path) -> None:
    catalog = catalog_for(box, BROKEN_CREDENTIALS.format(url=box.url))
    live = Live(tmp_path, catalog, LOG_LEVEL="debug", **database()).start()
    try:
        output = live.flask("app", "create", "shop", "--allow", "*").stdout
        app_secret = re.search(r"[\w-]{43}", output)[0]
        login = live.login()
        bearer = {"Authorization": f"Bearer {login['access_token']}"}
        texts = [
            str(answer.headers) + answer.text
            for answer in _everything(live, box, bearer, app_secret)
        ]
        wait_for(lambda: '"path":"/last"' in live.log)
    finally:
        live.stop()

    vendor_tokens = {
        token for request in box.requests for token in request.query.get("access_token", [])
    }
    secrets = {
        "sandbox-secret", "sandbox-key", "wrong-secret-123", "basic-password-123", "bearer-token-123", TEXT, PASSWORD,
        "a wrong password", app_secret, login["access_token"], login["refresh_token"],
        "a secret for tests, 32 bytes or more", "YW5uOmJhc2ljLXBhc3N3b3JkLTEyMw", *vendor_tokens,
    }  # fmt: skip
    assert len(vendor_tokens) >= 2
    for where in [live.log, *texts]:
        secrets_there = [secret for secret in secrets if secret in where]
        assert not secrets_there, (secrets_there, where[:2000])
    assert "Traceback" not in "".join(texts)
    assert "13812345678" not in live.log and "1381234****" in live.log


def _everything(live: Live, box: Sandbox, bearer: dict[str, str], app_secret: str):
    message = {"touser": "13812345678", "text": TEXT}
    yield live.call("wechat.send_msg", message, headers=bearer)
    box.revoke_tokens()
    yield live.call("wechat.send_msg", message, headers=bearer)
    for touser in ("nobody", "busy", "quota"):
        yield live.call("wechat.send_msg", {**message, "touser": touser}, headers=bearer)
    for fault in FAULTS:
        yield live.call("demo.misbehave", {"fault": fault}, headers=bearer)
        for path in ("/cgi-bin/message/send", "/v3/geocode/geo"):
            box.fault(path, fault)
        yield live.call("wechat.send_msg", message, headers=bearer)
        yield live.call("maps.geocode", {"address": "x"}, headers=bearer)
        box.reset()
        box.revoke_tokens()
        box.fault("/cgi-bin/token", fault)
        yield live.call("wechat.send_msg", message, headers=bearer)
        box.reset()
    for fault in ("hang", "drip=0.1"):
        box.fault("/cgi-bin/message/send", fault)
        yield live.call("wechat.send_msg", message, headers={**bearer, "X-Request-Timeout": "0.3"})
        box.reset()
    yield live.call("wechat.send_msg", message, headers=bearer)
    box.revoke_tokens()
    yield live.call("wrong.send", {}, headers=bearer)
    yield live.call("basic.get", {}, headers=bearer)
    yield live.call("bearer.get", {}, headers=bearer)
    yield live.call("wechat.send_msg", message, auth=PosternAuth("shop", app_secret))
    yield live.call("wechat.send_msg", message, auth=PosternAuth("shop", app_secret[::-1]))
    yield live.session.post(
        live.url + "/api/v1/login", json={"username": "ann", "password": "a wrong password"}
    )
    yield live.session.get(
        live.url + "/api/v1/services", params={"token": bearer["Authorization"][7:]}
    )
    yield live.session.post(
        live.url + "/api/v1/token/refresh", json={"refresh_token": bearer["Authorization"][7:]}
    )
    yield live.post("/api/v1/logout", headers=bearer)
    yield live.get("/last", headers=bearer)


BROKEN_CREDENTIALS = """
  wrong:
    base_url: {url}
    allow_private: true
    auth: {{type: app_secret, app_id: sandbox-app, secret: wrong-secret-123, token_url: /cgi-bin/token}}
    methods: {{send: {{http: POST /cgi-bin/message/send}}}}
  basic:
    base_url: {url}
    allow_private: true
    auth: {{type: basic, username: ann, password: basic-password-123}}
    methods: {{get: {{http: GET /basic}}}}
  bearer:
    base_url: {url}
    allow_private: true
    auth: {{type: bearer, token: bearer-token-123}}
    methods: {{get: {{http: GET /bearer}}}}
"""
