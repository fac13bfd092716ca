"""Flask with requests.post, as everyone writes it."""

from typing import Any

import jwt
import requests
from flask import Flask, abort, request
from marshmallow import Schema, ValidationError, fields, validate

from bench.peers.common import envelope, verified
from bench.peers.vendor import CONNECT_SECONDS, MAX_TEXT_CHARACTERS, QUERY, READ_SECONDS, SEND


class MessageSchema(Schema):
    touser = fields.String(required=True, validate=validate.Length(min=1))
    text = fields.String(required=True, validate=validate.Length(min=1, max=MAX_TEXT_CHARACTERS))


app = Flask(__name__)
schema = MessageSchema()


@app.post("/api/v1/call/wechat/send_msg")
def send() -> Any:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        abort(401)
    try:
        verified(token)
    except jwt.InvalidTokenError:
        abort(401)
    try:
        message = schema.load(request.get_json())
    except ValidationError as error:
        return {"errors": error.messages}, 400
    request_id = request.headers.get("X-Request-ID")
    try:
        response = requests.post(
            SEND, params=QUERY, json=message, timeout=(CONNECT_SECONDS, READ_SECONDS)
        )
        response.raise_for_status()
        reply = response.json()
    except (requests.RequestException, ValueError):
        return envelope(None, request_id, -1003, "The service did not answer as it should."), 502
    if reply.pop("errcode") != 0:
        return envelope(None, request_id, -1006, "The service refused the call."), 422
    reply.pop("errmsg", None)
    return envelope(reply, request_id)
