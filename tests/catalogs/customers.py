"""Vendors of what is known of customers: their data, orders and tickets."""

from __future__ import annotations

import json
from typing import Any

from sandbox.messages import Reply, Request
from tests.catalogs.vendor import TOKEN, Env, Token, Vendor, bearer, carries, refusal

#: developers.hubspot.com/docs/api-reference/2026-03/crm/objects/contacts
HUBSPOT_CONTACT = {
    "id": "512",
    "properties": {"email": "mark.s@lumon.industries", "phone": None},
    "createdAt": "2024-01-17T19:55:04.281Z",
    "updatedAt": "2024-09-11T13:27:39.356Z",
    "archived": False,
}


def salesforce_no(status: int, code: str) -> Reply:
    return refusal(status, [{"message": "no", "errorCode": code}])


def zendesk_page(items: str) -> dict[str, Any]:
    item = {"id": 35436, "status": "open", "priority": None, "public": True}
    return {items: [item], "meta": {"has_more": True, "after_cursor": "xxx"}, "links": {}}


def shopify_page(items: str, more: bool) -> dict[str, Any]:
    """shopify.dev/docs/api/usage/pagination-graphql"""
    info = {"hasNextPage": more, "endCursor": "eyJs"}
    node = {"id": f"gid://shopify/{items}/1", "title": "Bear", "totalInventory": 3}
    return {"data": {items: {"nodes": [node], "pageInfo": info}}}


def shopify_no(code: str) -> dict[str, Any]:
    return {"errors": [{"message": "no", "extensions": {"code": code}}]}


def checked_by_shopify(request: Request, env: Env) -> None:
    carries(headers={"x-shopify-access-token": TOKEN})(request, env)
    body = json.loads(request.body)
    variables = body["variables"]
    declared = body["query"].partition(")")[0]
    assert variables and all(f"${name}:" in declared for name in variables), body


VENDORS = {
    "salesforce": Vendor(
        tokens=[
            Token(
                "POST https://salesforce-domain.my.salesforce.com/services/oauth2/token",
                form={
                    "grant_type": "client_credentials",
                    "client_id": "${SALESFORCE_CLIENT_ID}",
                    "client_secret": "${SALESFORCE_CLIENT_SECRET}",
                },
                answer={"access_token": TOKEN, "token_type": "Bearer", "issued_at": "1"},
            )
        ],
        proof=bearer(),
        params={"search": {"q": "FIND Acme IN NAME FIELDS RETURNING Account"}},
        answers={
            "query": {
                "totalSize": 1,
                "done": True,
                "records": [{"attributes": {"type": "Account"}, "Name": "Test 1"}],
            },
            "create_records": [
                {"id": "003RM0000068xV6YAI", "success": True, "errors": []},
                {
                    "success": False,
                    "errors": [
                        {"statusCode": "DUPLICATES_DETECTED", "message": "no", "fields": []}
                    ],
                },
            ],
            "limits": {"DailyApiRequests": {"Max": 5000, "Remaining": 4937}},
        },
        failures={
            "downstream_rejected": salesforce_no(400, "MALFORMED_QUERY"),
            "downstream_quota": salesforce_no(403, "REQUEST_LIMIT_EXCEEDED"),
            "credential_error": salesforce_no(403, "API_DISABLED_FOR_ORG"),
            "credential_expired": salesforce_no(401, "INVALID_SESSION_ID"),
        },
    ),
    "hubspot": Vendor(
        proof=bearer("${HUBSPOT_SERVICE_KEY}"),
        answers={"get_contact": HUBSPOT_CONTACT, "create_contact": HUBSPOT_CONTACT},
        pages=dict.fromkeys(
            ("search_contacts", "list_companies", "list_owners"),
            ({"results": [HUBSPOT_CONTACT], "paging": {"next": {"after": "9"}}}, {"after": "9"}),
        ),
        failures={
            "downstream_rejected": refusal(404, {"category": "OBJECT_NOT_FOUND", "message": "no"}),
            "downstream_quota": refusal(429, {"category": "RATE_LIMITS", "message": "no"}),
            "credential_error": refusal(403, {"category": "MISSING_SCOPES", "message": "no"}),
        },
    ),
    "shopify": Vendor(
        tokens=[
            Token(
                "POST https://shopify-shop.myshopify.com/admin/oauth/access_token",
                form={
                    "grant_type": "client_credentials",
                    "client_id": "${SHOPIFY_CLIENT_ID}",
                    "client_secret": "${SHOPIFY_CLIENT_SECRET}",
                },
                answer={"access_token": TOKEN, "scope": "read_products", "expires_in": 86399},
            )
        ],
        proof=checked_by_shopify,
        answer={"data": {}, "extensions": {"cost": {}}},
        pages={
            "list_products": (
                shopify_page("products", True),
                {"variables": {"first": 50, "after": "eyJs"}},
            ),
            "list_orders": (shopify_page("orders", False), None),
        },
        failures={
            "downstream_rejected": {"errors": [{"message": "Field 'x' doesn't exist"}]},
            "downstream_quota": shopify_no("THROTTLED"),
            "credential_error": shopify_no("ACCESS_DENIED"),
            "credential_expired": refusal(401, {"errors": "[API] Invalid API key"}),
            "downstream_error": shopify_no("INTERNAL_SERVER_ERROR"),
        },
    ),
    "zendesk": Vendor(
        tokens=[
            Token(
                "POST https://zendesk-subdomain.zendesk.com/oauth/tokens",
                json={
                    "grant_type": "client_credentials",
                    "client_id": "${ZENDESK_CLIENT_ID}",
                    "client_secret": "${ZENDESK_CLIENT_SECRET}",
                    "scope": "read write",
                },
                answer={"access_token": TOKEN, "token_type": "bearer", "expires_in": 172800},
            )
        ],
        proof=bearer(),
        pages={
            "list_tickets": (zendesk_page("tickets"), {"page[after]": "xxx"}),
            "list_comments": (zendesk_page("comments"), {"page[after]": "xxx"}),
            "search": ({"results": [{}], "count": 1, "next_page": None}, None),
        },
        failures={
            "downstream_rejected": refusal(404, {"error": "RecordNotFound", "description": "no"}),
            "downstream_quota": refusal(429, {"error": "TooManyRequests"}),
            "credential_expired": refusal(401, {"error": "invalid_token"}),
        },
    ),
}
