"""What the two FastAPI peers share: the token check, the body's model, the answer."""

from typing import Annotated, Any

import jwt
from fastapi import Depends, Header, HTTPException
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from bench.peers.common import LONGEST_TEXT, envelope, verified


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    touser: str = Field(min_length=1)
    text: str = Field(min_length=1, max_length=LONGEST_TEXT)


async def claims(given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]) -> dict[str, Any]:
    try:
        return verified(given.credentials)
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "The token is not valid.") from error


Claims = Annotated[dict[str, Any], Depends(claims)]
RequestId = Annotated[str | None, Header(alias="X-Request-ID")]


def answered(reply: dict[str, Any], request_id: str | None) -> JSONResponse:
    """The vendor's reply less its code and message; 422 when it said no."""
    if reply.pop("errcode") != 0:
        return JSONResponse(envelope(None, request_id, -1006, "The service refused the call."), 422)
    reply.pop("errmsg", None)
    return JSONResponse(envelope(reply, request_id))
