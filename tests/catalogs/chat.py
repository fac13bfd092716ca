"""Vendors of chat."""

from __future__ import annotations

from sandbox.messages import Request
from tests.catalogs.account import REFRESH_TOKEN
from tests.catalogs.vendor import (
    TOKEN,
    Check,
    Env,
    Token,
    Vendor,
    bearer,
    carries,
    fill,
    next_url,
    refusal,
)


def begins(path: str) -> Check:
    """Return a check of how a request's path begins."""

    def check(request: Request, env: Env) -> None:
        assert request.target.startswith(fill(path, env)), request.target

    return check


#: What a multipart parameter takes.
PICTURE = {"filename": "a.png", "content_type": "image/png", "base64": "aGk="}

VENDORS = {
    # docs.slack.dev/apis/web-api/
    "slack": Vendor(
        proof=bearer("${SLACK_BOT_TOKEN}"),
        answer={"ok": True},
        answers={
            "post_message": {
                "ok": True,
                "channel": "C123",
                "ts": "1503435956.000247",
                "message": {"text": "hi"},
            },
            "find_user_by_email": {
                "ok": True,
                "user": {
                    "id": "W012",
                    "name": "spengler",
                    "deleted": False,
                    "profile": {"email": "a@b.c"},
                },
            },
        },
        pages={
            "list_channels": (
                {
                    "ok": True,
                    "channels": [{"id": "C012", "name": "general", "is_archived": False}],
                    "response_metadata": {"next_cursor": "dGVhbTpD"},
                },
                {"cursor": "dGVhbTpD"},
            ),
            "channel_history": (
                {
                    "ok": True,
                    "messages": [
                        {"type": "message", "user": "U1", "text": "hi", "ts": "1512085950.000216"}
                    ],
                    "has_more": False,
                    "pin_count": 0,
                },
                None,
            ),
        },
        failures={
            "downstream_rejected": {"ok": False, "error": "channel_not_found"},
            "downstream_quota": refusal(
                429, {"ok": False, "error": "ratelimited"}, ("Retry-After", "30")
            ),
            "credential_error": {"ok": False, "error": "invalid_auth"},
            "downstream_error": {"ok": False, "error": "internal_error"},
        },
    ),
    # core.telegram.org/bots/api#making-requests
    "telegram": Vendor(
        env={"TELEGRAM_BOT_TOKEN": "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"},
        proof=begins("/bot${TELEGRAM_BOT_TOKEN}/"),
        answer={"ok": True, "result": {}},
        params={"send_document": {"document": PICTURE}},
        answers={
            "send_message": {
                "ok": True,
                "result": {
                    "message_id": 1,
                    "date": 1790000000,
                    "chat": {"id": -1001234567890, "type": "supergroup", "title": "a"},
                    "text": "hi",
                },
            },
            "delete_message": {"ok": True, "result": True},
            "get_updates": {
                "ok": True,
                "result": [
                    {
                        "update_id": 7,
                        "message": {
                            "message_id": 1,
                            "date": 1,
                            "chat": {"id": 5, "type": "private"},
                        },
                    }
                ],
            },
            "get_me": {
                "ok": True,
                "result": {"id": 1, "is_bot": True, "first_name": "Bot", "username": "a_bot"},
            },
        },
        failures={
            "downstream_rejected": refusal(
                400, {"ok": False, "error_code": 400, "description": "chat not found"}
            ),
            "downstream_quota": refusal(
                429, {"ok": False, "error_code": 429, "parameters": {"retry_after": 5}}
            ),
            "credential_error": refusal(401, {"ok": False, "error_code": 401}),
        },
    ),
    # discord.com/developers/docs/reference#authentication
    "discord": Vendor(
        proof=carries(headers={"authorization": "Bot ${DISCORD_BOT_TOKEN}"}),
        answers={
            "create_message": {
                "id": "334385199974967042",
                "channel_id": "290926798999357250",
                "content": "hi",
                "timestamp": "2026-07-11T17:27:07.299000+00:00",
                "author": {"id": "53908099506183680"},
            },
            "list_channels": [{"id": "1", "type": 4, "name": "a", "parent_id": None}],
        },
        pages={
            "list_messages": (
                [{"id": "8", "channel_id": "1"}, {"id": "7", "channel_id": "1"}],
                {"before": "7"},
            ),
            "list_members": (
                [{"user": {"id": "9", "username": "a"}, "nick": None, "roles": []}],
                {"after": "9"},
            ),
        },
        failures={
            "downstream_rejected": refusal(400, {"code": 50035, "message": "Invalid Form Body"}),
            "downstream_quota": refusal(
                429, {"message": "slow", "retry_after": 1.5, "global": False}
            ),
            "credential_error": refusal(403, {"code": 50001, "message": "Missing Access"}),
        },
    ),
    # learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-auth-code-flow#refresh-the-access-token
    "teams": Vendor(
        tokens=[
            Token(
                "POST https://login.microsoftonline.com/ms-tenant-id/oauth2/v2.0/token",
                form={
                    "grant_type": "refresh_token",
                    "refresh_token": REFRESH_TOKEN,
                    "client_id": "${MS_CLIENT_ID}",
                    "client_secret": "${MS_CLIENT_SECRET}",
                },
                answer={"access_token": TOKEN, "expires_in": 3599, "refresh_token": "the-next"},
            )
        ],
        proof=bearer(),
        answers={
            "send_to_channel": {
                "id": "1616990032035",
                "createdDateTime": "2026-03-29T03:53:52.035Z",
                "webUrl": "https://teams.microsoft.com/l/message",
                "body": {"contentType": "text", "content": "hi"},
            },
            "list_teams": {"value": [{"id": "t", "displayName": "a", "description": None}]},
        },
        pages={
            "list_chats": (
                lambda request: refusal(
                    200,
                    {
                        "value": [{"id": "19:a", "topic": None, "chatType": "oneOnOne"}],
                        "@odata.nextLink": next_url(request, **{"$skiptoken": "p2"}),
                    },
                ),
                {"$skiptoken": "p2"},
            )
        },
        failures={
            "downstream_rejected": refusal(404, {"error": {"code": "NotFound"}}),
            "downstream_quota": refusal(429, {"error": {"code": "TooManyRequests"}}),
            "credential_error": refusal(403, {"error": {"code": "Forbidden"}}),
            "credential_expired": refusal(401, {"error": {"code": "InvalidAuthenticationToken"}}),
        },
    ),
}
