"""Vendors' own SDKs through the gate: what docs/sdks.md says of each, run.

wechatpy and openai are in test_proxy.py and test_proxied_sdks.py, botocore is in test_proxied_s3.py.
"""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import github
import pytest
import stripe
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client as TwilioClient

from sandbox import Sandbox
from tests.e2e import npm
from tests.e2e.live import Live, catalog_for
from tests.e2e.sdks.s3 import KEY_ID, REGION, S3, SECRET
from tests.e2e.sdks.sdk_vendors import ACCOUNT, CREDENTIAL, PAGES, SdkVendors

SERVICES = """
  stripe: {{base_url: "{url}/stripe", allow_private: true, proxy: true, auth: {bearer}}}
  slack: {{base_url: "{url}/slack", allow_private: true, proxy: [/api/*], auth: {bearer}}}
  github: {{base_url: "{url}/github", allow_private: true, proxy: {{rewrite: body}}, auth: {bearer}}}
  twilio: {{base_url: "{url}/twilio", allow_private: true, proxy: true, auth: {{type: basic, username: {account}, password: {key}}}}}
  s3: {{base_url: "{s3}", allow_private: true, proxy: true, auth: {aws}}}
"""
BEARER = f"{{type: bearer, token: {CREDENTIAL}}}"
AWS = f'{{type: aws_sigv4, access_key_id: {KEY_ID}, secret_access_key: "{SECRET}", region: {REGION}, service: s3}}'


@pytest.fixture(scope="module")
def vendors() -> Iterator[SdkVendors]:
    with SdkVendors() as running:
        yield running


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3() as running:
        yield running


@pytest.fixture(scope="module")
def live(
    box: Sandbox, vendors: SdkVendors, s3: S3, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    services = SERVICES.format(
        url=vendors.url, s3=s3.url, bearer=BEARER, aws=AWS, account=ACCOUNT, key=CREDENTIAL
    )
    service = Live(tmp_path_factory.mktemp("sdks"), catalog_for(box, services))
    try:
        yield service.start()
    finally:
        service.stop()


def gate(live: Live, service: str) -> str:
    return f"{live.url}/api/v1/proxy/{service}"


def test_stripe_makes_lists_and_misses_customers(live: Live) -> None:
    client = stripe.StripeClient(live.token(), base_addresses={"api": gate(live, "stripe")})
    customer = client.v1.customers.create({"email": "ann@example.com"})
    assert customer.email == "ann@example.com"
    listed = client.v1.customers.list().auto_paging_iter()
    assert [entry.id for entry in listed] == [f"cus_{page}" for page in range(1, PAGES + 1)]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.retrieve("cus_none")
    assert caught.value.code == "resource_missing"


def test_slack_posts_and_pages_through_channels(live: Live) -> None:
    client = WebClient(live.token(), base_url=f"{gate(live, 'slack')}/api/")
    assert client.chat_postMessage(channel="C1", text="hello")["channel"] == "C1"
    ids = [page["channels"][0]["id"] for page in client.conversations_list(limit=1)]
    assert ids == [f"C{page}" for page in range(1, PAGES + 1)]
    with pytest.raises(SlackApiError, match="unknown_method"):
        client.api_call("no.such")


def test_pygithub_follows_addresses_in_bodies_without_leaving_the_gate(
    live: Live, vendors: SdkVendors
) -> None:
    client = github.Github(
        base_url=gate(live, "github"),
        auth=github.Auth.AppAuthToken(live.token()),
        seconds_between_requests=None,
        seconds_between_writes=None,
        retry=None,
    )
    repo = client.get_repo("octo/hello")
    issues = list(repo.get_issues())
    assert [issue.number for issue in issues] == list(range(1, PAGES + 1))
    assert issues[0].user.name == "Octo Cat"  # asked for at the address that the issue's body has
    assert issues[1].create_comment("seen").body == "seen"
    assert repo.url == f"{gate(live, 'github')}/repos/octo/hello"
    with pytest.raises(github.UnknownObjectException):
        client.get_repo("octo/none")
    assert live.token() not in str(vendors.requests)


FOLLOW = """
import {{ Octokit }} from "{module}/dist-src/index.js";
const [baseUrl, token] = process.argv.slice(2);
const octokit = new Octokit({{ baseUrl, auth: token }});
octokit.hook.before("request", options => {{ options.headers["X-Postern-Token"] = token; }});
const {{ data: repo }} = await octokit.rest.repos.get({{ owner: "octo", repo: "hello" }});
const issues = await octokit.paginate(`GET ${{repo.issues_url}}`);
const {{ data: user }} = await octokit.request(`GET ${{issues[0].user.url}}`);
console.log(JSON.stringify([repo.url, issues.map(issue => issue.number), user.name]));
"""


@npm.NEEDS_NPM
def test_octokit_follows_addresses_in_bodies_without_leaving_the_gate(
    live: Live, vendors: SdkVendors, tmp_path: Path
) -> None:
    script = tmp_path / "follow.mjs"
    module = npm.module("@octokit/rest").as_posix()
    script.write_text(FOLLOW.format(module=module), encoding="utf-8")
    command = ["node", str(script), gate(live, "github"), live.token()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    repo = f"{gate(live, 'github')}/repos/octo/hello"
    assert json.loads(done.stdout) == [repo, list(range(1, PAGES + 1)), "Octo Cat"]
    assert live.token() not in str(vendors.requests)


def test_twilio_sends_and_lists_messages_by_another_http_client(live: Live) -> None:
    token = live.token()

    class GateClient(TwilioHttpClient):
        def request(
            self, method: str, url: str, *arguments: Any, headers: Any = None, **options: Any
        ) -> Any:
            url = url.replace("https://api.twilio.com", gate(live, "twilio"))
            headers = {**(headers or {}), "X-Postern-Token": token}
            return super().request(method, url, *arguments, headers=headers, **options)

    client = TwilioClient(ACCOUNT, "unused", http_client=GateClient())
    sent = client.messages.create(to="+1", from_="+2", body="hello")
    assert (sent.sid, sent.body) == ("SM9", "hello")
    assert [message.sid for message in client.messages.list()] == ["SM1", "SM2", "SM3"]


def test_boto3_uploads_an_object(live: Live, s3: S3) -> None:
    session = boto3.Session("unused", "unused", region_name=REGION)
    client = session.client("s3", endpoint_url=gate(live, "s3"))

    def add_token(request: Any, **_: Any) -> None:
        request.headers["X-Postern-Token"] = live.token()

    client.meta.events.register("before-send.s3", add_token)
    content = bytes(range(256)) * 1000
    client.upload_fileobj(io.BytesIO(content), "bucket", "key")
    assert s3.objects == {"/bucket/key": content}
