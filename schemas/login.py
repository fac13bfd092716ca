"""What logging in takes and gives."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from schemas.bounded import Bounded
from schemas.names import Username

PASSWORD = validate.Length(1, 1024)


class LoginIn(Bounded):
    username = Username(required=True)
    password = fields.String(required=True, validate=PASSWORD)


class RefreshIn(Bounded):
    refresh_token = fields.String(required=True, validate=validate.Length(1, 256))


class TokensOut(Schema):
    access_token = fields.String(metadata={"description": "Send it as Authorization: Bearer ..."})
    token_type = fields.Constant("bearer", metadata={"type": "string"})
    expires_in = fields.Integer(metadata={"description": "Seconds the access token is good for."})
    refresh_token = fields.String(metadata={"description": "Good once, for the next pair."})
