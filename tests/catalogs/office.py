"""Vendors of offices: documents, mail and calendars."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import jwt

from sandbox.keys import MERCHANT_PRIVATE_KEY, MERCHANT_PUBLIC_KEY
from sandbox.messages import Reply, Request, json_reply
from tests.catalogs.vendor import (
    TOKEN,
    Answer,
    Env,
    Token,
    Vendor,
    bearer,
    carries,
    next_url,
    refusal,
)

GRANT = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3599}
ACCOUNT = "postern@project.iam.gserviceaccount.com"
GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token"
#: A service account's key as Google's console gives it, less what nobody reads.
GOOGLE_KEY = {
    "type": "service_account",
    "project_id": "project",
    "private_key_id": "key-7",
    "private_key": MERCHANT_PRIVATE_KEY,
    "client_email": ACCOUNT,
    "token_uri": GOOGLE_TOKEN_URL,
}


def asserted_for_google(request: Request, env: Env) -> None:
    """developers.google.com/identity/protocols/oauth2/service-account#authorizingrequests"""
    form = dict(parse_qsl(request.text()))
    assert {"grant_type", "assertion"} <= form.keys()
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = jwt.decode(
        form["assertion"], MERCHANT_PUBLIC_KEY, ["RS256"], audience=GOOGLE_TOKEN_URL
    )
    assert claims["iss"] == ACCOUNT
    assert claims["scope"] == "https://www.googleapis.com/auth/spreadsheets"
    assert claims["exp"] - claims["iat"] <= 3600 + 30
    assert jwt.get_unverified_header(form["assertion"])["kid"] == "key-7"


def google_no(status: int, name: str) -> Reply:
    return refusal(status, {"error": {"code": status, "message": "no", "status": name}})


def graph_page(**change: object) -> Answer:
    """learn.microsoft.com/en-us/graph/paging"""

    def answer(request: Request) -> Reply:
        following = next_url(request, **change)
        return json_reply(200, {"@odata.nextLink": following, "value": [{}]})

    return answer


def graph_no(status: int, code: str) -> Reply:
    return refusal(status, {"error": {"code": code, "message": "no", "innerError": {}}})


#: developers.notion.com/reference/page
NOTION_PAGE = {
    "object": "page",
    "id": "be633bf1-dfa0-436d-b259-571129a590e5",
    "created_time": "2022-10-24T22:54:00.000Z",
    "last_edited_time": "2023-03-08T18:25:00.000Z",
    "properties": {"Name": {"id": "title", "type": "title", "title": []}},
    "url": "https://www.notion.so/Bug-bash-be633bf1dfa0436db259571129a590e5",
}


def notion_no(status: int, code: str) -> Reply:
    return refusal(status, {"object": "error", "status": status, "code": code, "message": "no"})


VENDORS = {
    "notion": Vendor(
        proof=carries(
            headers={"authorization": "Bearer ${NOTION_TOKEN}", "notion-version": "2026-03-11"}
        ),
        answers={"get_page": NOTION_PAGE, "create_page": NOTION_PAGE, "update_page": NOTION_PAGE},
        pages=dict.fromkeys(
            ("search", "query_data_source", "list_blocks"),
            ({"results": [{}], "has_more": True, "next_cursor": "c-2"}, {"start_cursor": "c-2"}),
        ),
        failures={
            "downstream_rejected": notion_no(404, "object_not_found"),
            "downstream_quota": notion_no(429, "rate_limited"),
            "credential_error": notion_no(403, "restricted_resource"),
            "downstream_error": notion_no(503, "service_unavailable"),
        },
    ),
    "google_sheets": Vendor(
        env={"GOOGLE_SERVICE_ACCOUNT": json.dumps(GOOGLE_KEY)},
        tokens=[Token(f"POST {GOOGLE_TOKEN_URL}", check=asserted_for_google, answer=GRANT)],
        proof=bearer(),
        answers={
            "get_spreadsheet": {
                "spreadsheetId": "1q",
                "properties": {"title": "Prices"},
                "sheets": [{"properties": {"sheetId": 0, "title": "Sheet1", "index": 0}}],
            },
            "get_values": {
                "range": "Sheet1!A1:D5",
                "majorDimension": "ROWS",
                "values": [["Item", "Cost"], ["Wheel", "$20.50"], []],
            },
            "append_values": {
                "spreadsheetId": "1q",
                "tableRange": "Sheet1!A1:D2",
                "updates": {
                    "spreadsheetId": "1q",
                    "updatedRange": "Sheet1!A3:B4",
                    "updatedRows": 2,
                    "updatedColumns": 2,
                    "updatedCells": 4,
                },
            },
        },
        failures={
            "downstream_rejected": google_no(403, "PERMISSION_DENIED"),
            "downstream_quota": google_no(429, "RESOURCE_EXHAUSTED"),
            "credential_expired": google_no(401, "UNAUTHENTICATED"),
            "downstream_error": google_no(503, "UNAVAILABLE"),
        },
    ),
    # learn.microsoft.com/en-us/graph/auth-v2-service#step-3-request-an-access-token
    "microsoft_graph": Vendor(
        env={"MS_TENANT_ID": "tenant-1"},
        tokens=[
            Token(
                "POST https://login.microsoftonline.com/tenant-1/oauth2/v2.0/token",
                form={
                    "grant_type": "client_credentials",
                    "client_id": "${MS_CLIENT_ID}",
                    "client_secret": "${MS_CLIENT_SECRET}",
                    "scope": "https://graph.microsoft.com/.default",
                },
                answer=GRANT,
            )
        ],
        proof=bearer(),
        answers={
            "send_mail": Reply(202, b""),
            "get_user": {
                "id": "87d349ed-44d7-43e1-9a83-5f2406dee5bd",
                "displayName": "Adele Vance",
                "mail": None,
                "userPrincipalName": "AdeleV@contoso.com",
            },
            "create_event": {
                "id": "AAMkAGI1",
                "subject": "Let's go for lunch",
                "webLink": "https://outlook.office365.com/owa/?itemid=AAMkAGI1",
            },
        },
        pages={
            "list_users": (graph_page(**{"$skiptoken": "RFN"}), {"$skiptoken": "RFN"}),
            "list_messages": (graph_page(**{"$skip": 10}), {"$skip": 10}),
            "list_events": (
                {
                    "value": [
                        {
                            "id": "AAMkAGI1",
                            "subject": None,
                            "isAllDay": False,
                            "start": {"dateTime": "2026-11-21T09:00:00.0000000", "timeZone": "UTC"},
                        }
                    ]
                },
                None,
            ),
        },
        failures={
            "downstream_rejected": graph_no(404, "Request_ResourceNotFound"),
            "downstream_quota": graph_no(429, "TooManyRequests"),
            "credential_error": graph_no(403, "Authorization_RequestDenied"),
            "credential_expired": graph_no(401, "InvalidAuthenticationToken"),
            "downstream_error": graph_no(503, "serviceNotAvailable"),
        },
    ),
}
