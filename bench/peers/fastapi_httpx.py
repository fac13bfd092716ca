"""FastAPI with one shared httpx.AsyncClient."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from bench.peers.fastapi_call import Message, answered
from bench.peers.fastapi_common import Claims, RequestId
from bench.peers.vendor import CONNECT_SECONDS, QUERY, READ_SECONDS, SEND


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with httpx.AsyncClient(
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    ) as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/api/v1/call/wechat/send_msg")
async def send(
    request: Request, message: Message, caller: Claims, x_request_id: RequestId = None
) -> JSONResponse:
    client: httpx.AsyncClient = request.app.state.client
    try:
        response = await client.post(SEND, params=QUERY, json=message.model_dump())
        response.raise_for_status()
        reply = response.json()
    except (httpx.HTTPError, ValueError) as error:
        raise HTTPException(502, "The service did not answer as it should.") from error
    return answered(reply, x_request_id)
