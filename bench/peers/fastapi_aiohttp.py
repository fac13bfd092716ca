"""FastAPI with one shared aiohttp.ClientSession."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from bench.peers.fastapi_call import Message, answered
from bench.peers.fastapi_common import Claims, RequestId
from bench.peers.vendor import CONNECT_SECONDS, QUERY, READ_SECONDS, SEND


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as app.state.session:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/api/v1/call/wechat/send_msg")
async def send(
    request: Request, message: Message, caller: Claims, x_request_id: RequestId = None
) -> JSONResponse:
    session: aiohttp.ClientSession = request.app.state.session
    try:
        async with session.post(SEND, params=QUERY, json=message.model_dump()) as response:
            response.raise_for_status()
            reply = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise HTTPException(502, "The service did not answer as it should.") from error
    return answered(reply, x_request_id)
