"""Vendors of what developers run their work with: code, tickets, alerts, measurements, weather."""

from __future__ import annotations

import json

import jwt

from sandbox.keys import MERCHANT_PUBLIC_KEY
from sandbox.messages import Reply, Request, json_reply
from tests.catalogs.vendor import (
    TOKEN,
    Answer,
    Env,
    Token,
    Vendor,
    basic,
    bearer,
    carries,
    fill,
    next_url,
    refusal,
)

GITHUB_HEADERS = {
    "accept": "application/vnd.github+json",
    "x-github-api-version": "2022-11-28",
}


#: docs.github.com/en/rest/issues/issues
GITHUB_ISSUE = {
    "id": 1,
    "number": 1347,
    "state": "open",
    "title": "Found a bug",
    "body": None,
    "user": {"login": "octocat", "id": 1},
    "html_url": "https://github.com/octocat/Hello-World/issues/1347",
    "created_at": "2011-04-22T13:33:48Z",
    "updated_at": "2011-04-22T13:33:48Z",
}


def github_page(body: object) -> Answer:
    """docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api"""

    def answer(request: Request) -> Reply:
        following = next_url(request, page=2)
        return json_reply(200, body, ("Link", f'<{following}>; rel="next"'))

    return answer


GITHUB_FAILURES = {
    "downstream_rejected": refusal(404, {"message": "Not Found"}),
    "downstream_quota": refusal(
        403, {"message": "API rate limit exceeded"}, ("x-ratelimit-reset", "1")
    ),
    "credential_error": refusal(403, {"message": "Resource not accessible by integration"}),
}


def asserted_for_github(request: Request, env: Env) -> None:
    """docs.github.com: apps, "Generating a JSON Web Token (JWT) for a GitHub App"."""
    assertion = request.headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(assertion, MERCHANT_PUBLIC_KEY, ["RS256"])
    assert claims["iss"] == env["GITHUB_APP_ID"]
    assert claims["exp"] - claims["iat"] <= 600 + 60, "GitHub takes ten minutes, a minute of skew"


def asked_of_pagerduty(request: Request, env: Env) -> None:
    """developer.pagerduty.com: the REST API has its key in a header, the Events API in the body."""
    if request.headers["host"] == "api.pagerduty.com":
        carries(headers={"authorization": "Token token=${PAGERDUTY_API_KEY}"})(request, env)
        return
    assert json.loads(request.body)["routing_key"] == env["PAGERDUTY_ROUTING_KEY"]
    assert "authorization" not in request.headers


def asked_of_datadog(request: Request, env: Env) -> None:
    """docs.datadoghq.com/api/latest/authentication: logs are taken elsewhere, with one key alone."""
    carries(headers={"dd-api-key": "${DD_API_KEY}"})(request, env)
    if request.headers["host"] == fill("http-intake.logs.${DD_SITE}", env):
        assert isinstance(json.loads(request.body), list)
        return
    carries(headers={"dd-application-key": "${DD_APP_KEY}"})(request, env)
    assert request.headers["host"] == fill("api.${DD_SITE}", env)


def sentry_page(results: str) -> Answer:
    """docs.sentry.io/api/pagination: there is always a next page, and whether anything is on it."""

    def answer(request: Request) -> Reply:
        following = next_url(request, cursor="0:100:0")
        link = f'<{following}>; rel="next"; results="{results}"; cursor="0:100:0"'
        return json_reply(200, [{}], ("Link", link))

    return answer


def datadog_no(status: int) -> Reply:
    return refusal(status, {"errors": ["no"]})


#: docs.gitlab.com/api/issues
GITLAB_ISSUE = {
    "id": 76,
    "iid": 6,
    "project_id": 4,
    "title": "Consequatur vero maxime",
    "description": None,
    "state": "closed",
    "labels": ["foo", "bar"],
    "web_url": "http://gitlab.example.com/my-group/my-project/issues/6",
}
JIRA_ISSUE = {"id": "10002", "key": "ED-1", "fields": {"summary": "Main order flow broken"}}
#: docs.sentry.io/api/events/list-an-organizations-issues
SENTRY_ISSUE = {
    "id": "1",
    "shortId": "PUMP-STATION-1",
    "title": "This is an example Python exception",
    "culprit": "raven.scripts.runner in main",
    "level": "error",
    "status": "unresolved",
    "count": "1",
    "userCount": 0,
    "firstSeen": "2018-11-06T21:19:55Z",
    "lastSeen": "2018-11-06T21:19:55Z",
    "permalink": "https://sentry.io/the-interstellar-jurisdiction/pump-station/issues/1/",
}
#: developer.pagerduty.com: getIncident
PAGERDUTY_INCIDENT = {
    "id": "PT4KHLK",
    "incident_number": 1234,
    "title": "The server is on fire.",
    "status": "resolved",
    "urgency": "high",
    "html_url": "https://subdomain.pagerduty.com/incidents/PT4KHLK",
    "created_at": "2015-10-06T21:30:42Z",
}
VENDORS = {
    "github": Vendor(
        proof=carries(headers={"authorization": "Bearer ${GITHUB_TOKEN}"}),
        answers={"create_issue": GITHUB_ISSUE},
        pages={"list_issues": (github_page([GITHUB_ISSUE]), {"page": 2})},
        failures=GITHUB_FAILURES,
    ),
    # docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app
    "github_app": Vendor(
        env={"GITHUB_APP_INSTALLATION_ID": "42"},
        tokens=[
            Token(
                "POST https://api.github.com/app/installations/42/access_tokens",
                headers={"accept": "application/vnd.github+json"},
                check=asserted_for_github,
                answer={"token": TOKEN, "expires_at": "2100-01-01T00:00:00Z"},
            )
        ],
        proof=carries(headers={"authorization": f"Bearer {TOKEN}", **GITHUB_HEADERS}),
        answers={
            "run_workflow": Reply(204, b""),
            "create_issue": GITHUB_ISSUE,
            "create_check_run": {"id": 4, "status": "in_progress", "conclusion": None},
        },
        pages={
            "list_repositories": (github_page({"repositories": [{}]}), {"page": 2}),
            "list_issues": (github_page([GITHUB_ISSUE]), {"page": 2}),
            "list_pull_requests": (json_reply(200, [{}]), None),
        },
        failures={
            **GITHUB_FAILURES,
            "credential_expired": refusal(401, {"message": "Bad credentials"}),
        },
    ),
    "gitlab": Vendor(
        proof=carries(headers={"private-token": "${GITLAB_TOKEN}"}),
        answers={"create_issue": GITLAB_ISSUE},
        # docs.gitlab.com/api/rest/#other-pagination-headers; after the last page the header is empty
        pages={
            "list_projects": (json_reply(200, [{}], ("X-Next-Page", "2")), {"page": 2}),
            "list_issues": (json_reply(200, [GITLAB_ISSUE], ("X-Next-Page", "2")), {"page": 2}),
            "list_merge_requests": (json_reply(200, [{}], ("X-Next-Page", "")), None),
        },
        failures={
            "downstream_rejected": refusal(404, {"message": "404 Project Not Found"}),
            "downstream_quota": refusal(429, {"message": "Too many"}, ("ratelimit-reset", "1")),
            "credential_error": refusal(403, {"error": "insufficient_scope"}),
        },
    ),
    "jira": Vendor(
        proof=basic("${JIRA_EMAIL}", "${JIRA_API_TOKEN}"),
        pages={
            "search": (
                {"issues": [JIRA_ISSUE], "nextPageToken": "CAEaAggD"},
                {"nextPageToken": "CAEaAggD"},
            )
        },
        failures={
            "downstream_rejected": refusal(400, {"errorMessages": ["no"], "errors": {}}),
            "downstream_quota": refusal(429, {"errorMessages": ["Rate limit exceeded."]}),
            "credential_error": refusal(401, {"errorMessages": ["no"]}),
        },
    ),
    "sentry": Vendor(
        proof=bearer("${SENTRY_AUTH_TOKEN}"),
        answers={"get_issue": SENTRY_ISSUE, "update_issue": SENTRY_ISSUE},
        pages={
            "list_projects": (sentry_page("true"), {"cursor": "0:100:0"}),
            "list_issues": (sentry_page("true"), {"cursor": "0:100:0"}),
            "list_events": (sentry_page("false"), None),
        },
        failures={
            "downstream_rejected": refusal(
                404, {"detail": "The requested resource does not exist"}
            ),
            "downstream_quota": refusal(429, {"detail": "You are attempting to use this endpoint"}),
            "credential_error": refusal(401, {"detail": "Invalid token"}),
        },
    ),
    "pagerduty": Vendor(
        proof=asked_of_pagerduty,
        answers={
            "get_incident": {"incident": PAGERDUTY_INCIDENT},
            "send_event": {
                "status": "success",
                "message": "Event processed",
                "dedup_key": "srv01/HTTP",
            },
        },
        pages={
            "list_incidents": ({"incidents": [PAGERDUTY_INCIDENT], "more": True}, {"offset": 1}),
            "list_oncalls": ({"oncalls": [{}], "more": False}, None),
            "list_services": ({"services": [{}], "more": False}, None),
        },
        failures={
            "downstream_rejected": refusal(404, {"error": {"code": 2100, "message": "Not Found"}}),
            "downstream_quota": refusal(
                429, {"error": {"code": 2020, "message": "Rate Limit Exceeded"}}
            ),
            "credential_error": refusal(401, {"error": {"code": 2006, "message": "no"}}),
        },
    ),
    "datadog": Vendor(
        proof=asked_of_datadog,
        params={"query_metrics": {"query": "avg:system.cpu.user"}},
        answers={
            "validate": {"valid": True},
            "submit_metrics": json_reply(202, {"errors": []}),
            "query_metrics": {
                "status": "ok",
                "series": [{"metric": "system.cpu.user", "pointlist": [[1430311800000.0, 0.9]]}],
            },
        },
        pages={
            "list_monitors": ([{"id": 2, "name": "Disk", "tags": []}] * 100, {"page": 1}),
            "search_logs": (
                {"data": [{}], "meta": {"page": {"after": "eyJz"}}},
                {"page": {"limit": 1, "cursor": "eyJz"}},
            ),
        },
        failures={
            "downstream_rejected": datadog_no(400),
            "downstream_quota": datadog_no(429),
            "credential_error": datadog_no(403),
        },
    ),
    "openweather": Vendor(
        proof=carries(query={"appid": "${OPENWEATHER_API_KEY}"}),
        answer={"cod": 200},
        # openweathermap.org/current, openweathermap.org/api/air-pollution
        answers={
            "weather": {
                "weather": [{"id": 501, "main": "Rain", "description": "rain", "icon": "10d"}],
                "main": {"temp": 298, "feels_like": 298.74, "pressure": 1015, "humidity": 64},
                "wind": {"speed": 0.62, "deg": 349},
                "dt": 1661870592,
                "name": "Zocca",
                "cod": 200,
            },
            "air": {
                "list": [{"dt": 1605182400, "main": {"aqi": 1}, "components": {"co": 201.94053649}}]
            },
            "find_place": [{"name": "London", "lat": 51.5, "lon": -0.12, "country": "GB"}],
        },
        failures={
            "downstream_rejected": refusal(404, {"cod": "404", "message": "city not found"}),
            "downstream_quota": refusal(429, {"cod": 429, "message": "no"}),
            "credential_error": refusal(401, {"cod": 401, "message": "Invalid API key"}),
        },
    ),
}
