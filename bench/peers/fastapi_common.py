"""What the FastAPI peers share: who is calling, and under which request id."""

from typing import Annotated, Any

import jwt
from fastapi import Depends, Header, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from bench.peers.common import verified


async def claims(
    bearer: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())],
) -> dict[str, Any]:
    try:
        return verified(bearer.credentials)
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "The token is not valid.") from error


Claims = Annotated[dict[str, Any], Depends(claims)]
RequestId = Annotated[str | None, Header(alias="X-Request-ID")]
