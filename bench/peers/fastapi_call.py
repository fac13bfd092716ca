"""What the two FastAPI peers that call a vendor share: the body's model, the answer."""

from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from bench.peers.common import envelope
from bench.peers.vendor import MAX_TEXT_CHARACTERS


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    touser: str = Field(min_length=1)
    text: str = Field(min_length=1, max_length=MAX_TEXT_CHARACTERS)


def answered(reply: dict[str, Any], request_id: str | None) -> JSONResponse:
    """The vendor's reply less its code and message; 422 when it said no."""
    if reply.pop("errcode") != 0:
        return JSONResponse(envelope(None, request_id, -1006, "The service refused the call."), 422)
    reply.pop("errmsg", None)
    return JSONResponse(envelope(reply, request_id))
