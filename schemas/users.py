"""Users, in and out. No shape has the password's hash."""

from __future__ import annotations

from marshmallow import RAISE, Schema, fields, validate

from schemas.bounded import Bounded
from schemas.catalog import ROLES
from schemas.fields import Text, Whole
from schemas.lists import ListArgs, list_of, search_field, sort_field
from schemas.names import Username

SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 1024
PASSWORD = validate.Length(SHORTEST_PASSWORD, LONGEST_PASSWORD, error="Must be {min} to {max} characters long.")
NO_NUL = validate.ContainsNoneOf("\0", error="Must not contain a NUL character.")


class UserIn(Bounded):
    class Meta:
        unknown = RAISE

    username = Username(required=True)
    password = fields.String(required=True, validate=[PASSWORD, NO_NUL], metadata={"pattern": "^[^\\x00]*$"})
    name = Text(150, 1, load_default=None, allow_none=True)
    age = Whole(0, 150, load_default=None, allow_none=True)
    email = fields.Email(load_default=None, allow_none=True, validate=validate.Length(max=254))
    role = fields.String(load_default="user", validate=validate.OneOf(ROLES))


class UserChange(UserIn):
    current_password = fields.String(
        validate=validate.Length(1, LONGEST_PASSWORD),
        metadata={"description": "Needed with a new password for oneself."},
    )


class UserOut(Schema):
    id = fields.Integer()
    username = fields.String()
    name = fields.String(allow_none=True)
    age = fields.Integer(allow_none=True)
    email = fields.String(allow_none=True)
    role = fields.String()
    created_at = fields.DateTime()


class UserArgs(ListArgs):
    sort = sort_field("id", "username", "created_at")
    q = search_field()
    role = fields.String(validate=validate.OneOf(ROLES))


UserListOut = list_of(UserOut)
