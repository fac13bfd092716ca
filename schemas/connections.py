"""Schemas of the accounts that services are connected to."""

from __future__ import annotations

from marshmallow import Schema, fields

from schemas.fields import whole_list_of


class ConnectionOut(Schema):
    service = fields.String()
    grant = fields.String(metadata={"enum": ["refresh_token", "authorization_code"]})
    state = fields.String(
        metadata={
            "enum": ["connected", "not_connected", "reconnect"],
            "description": "`reconnect`: an admin must connect it again, or put another refresh"
            " token into the catalog; `last_error` says why.",
        }
    )
    connected_by = fields.String(allow_none=True)
    connected_at = fields.DateTime(allow_none=True)
    scopes = fields.List(fields.String())
    expires_at = fields.DateTime(
        allow_none=True,
        metadata={"description": "When the refresh token ends, where the vendor says so."},
    )
    access_expires_at = fields.DateTime(
        allow_none=True, metadata={"description": "When the newest access token ends."}
    )
    last_refreshed_at = fields.DateTime(allow_none=True)
    last_error = fields.String(allow_none=True)


ConnectionListOut = whole_list_of(ConnectionOut)


class AuthorizationOut(Schema):
    authorization_url = fields.String()
    redirect_uri = fields.String()
    expires_at = fields.DateTime()


class ConnectedOut(Schema):
    service = fields.String()
    state = fields.String()
