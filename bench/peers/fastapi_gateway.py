"""A gateway's other work, by hand in FastAPI and aiohttp: signatures, cache, batch, proxy."""

import asyncio
import hashlib
import hmac
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import aiohttp
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from bench.peers.common import envelope
from bench.peers.fastapi_call import Message, answered
from bench.peers.fastapi_common import Claims, RequestId
from bench.peers.vendor import CONNECT_SECONDS, QUERY, READ_SECONDS, SEND

VENDOR = os.environ["VENDOR_URL"]
APP_SECRETS = {os.environ["APP_ID"]: os.environ["APP_SECRET"].encode()}
CLOCK_SKEW_SECONDS = 300
CACHE_SECONDS = 3600
CHUNK_BYTES = 65536
IDLE_SECONDS = 1
PATIENT = aiohttp.ClientTimeout(sock_connect=60, sock_read=60)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS)
    app.state.nonces = {}
    app.state.cache = {}
    # Shorter than the sandbox keeps a connection: aiohttp would send on one that is being closed.
    connector = aiohttp.TCPConnector(keepalive_timeout=IDLE_SECONDS, limit=0)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False
    ) as app.state.session:
        yield


app = FastAPI(lifespan=lifespan)


async def signed_by(request: Request) -> str:
    """The app whose signature the request carries, good once."""
    get = request.headers.get
    app_id = get("X-App-Id", "")
    timestamp = get("X-Timestamp", "")
    nonce = get("X-Nonce", "")
    body = hashlib.sha256(await request.body()).hexdigest()
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    text = "\n".join((request.method, target, timestamp, nonce, body)).encode()
    secret = APP_SECRETS.get(app_id, b"")
    signature = hmac.new(secret, text, hashlib.sha256).hexdigest()
    nonces: dict[str, float] = request.app.state.nonces
    fresh = timestamp.isdecimal() and abs(time.time() - int(timestamp)) <= CLOCK_SKEW_SECONDS
    if not fresh or nonce in nonces or not hmac.compare_digest(signature, get("X-Signature", "")):
        raise HTTPException(401, "The signature is not valid.")
    nonces[nonce] = time.time()
    return app_id


@app.post("/api/v1/call/wechat/send_msg")
async def send(
    request: Request,
    message: Message,
    caller: Annotated[str, Depends(signed_by)],
    x_request_id: RequestId = None,
) -> JSONResponse:
    return answered(await _send(request.app.state.session, message.model_dump()), x_request_id)


async def _send(session: aiohttp.ClientSession, message: dict[str, Any]) -> dict[str, Any]:
    try:
        async with session.post(SEND, params=QUERY, json=message) as response:
            response.raise_for_status()
            reply: dict[str, Any] = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise HTTPException(502, "The service did not answer as it should.") from error
    return reply


@app.get("/api/v1/call/bench/cached")
async def cached(
    request: Request, caller: Claims, page: int, x_request_id: RequestId = None
) -> JSONResponse:
    cache: dict[int, tuple[float, Any]] = request.app.state.cache
    entry = cache.get(page)
    if entry is None or entry[0] < time.monotonic():
        async with request.app.state.session.get(
            f"{VENDOR}/anything", params={"page": page}
        ) as response:
            response.raise_for_status()
            entry = cache[page] = (time.monotonic() + CACHE_SECONDS, await response.json())
    return JSONResponse(envelope(entry[1], x_request_id))


@app.get("/api/v1/call/bench/slow")
async def slow(request: Request, caller: Claims, x_request_id: RequestId = None) -> JSONResponse:
    async with request.app.state.session.get(
        f"{VENDOR}/fault/delay=5/anything", timeout=PATIENT
    ) as response:
        response.raise_for_status()
        return JSONResponse(envelope(await response.json(), x_request_id))


class Part(BaseModel):
    id: str
    service: str
    method: str
    params: Message


class Batch(BaseModel):
    calls: list[Part]


@app.post("/api/v1/batch")
async def batch(
    request: Request, parts: Batch, caller: Claims, x_request_id: RequestId = None
) -> JSONResponse:
    session = request.app.state.session
    replies = await asyncio.gather(
        *(_send(session, part.params.model_dump()) for part in parts.calls)
    )
    answers = [json.loads(bytes(answered(reply, x_request_id).body)) for reply in replies]
    ids = (part.id for part in parts.calls)
    return JSONResponse(envelope(dict(zip(ids, answers, strict=True)), x_request_id))


@app.get("/api/v1/proxy/bench/{path:path}")
async def proxy(request: Request, path: str, caller: Claims) -> StreamingResponse:
    response = await request.app.state.session.get(f"{VENDOR}/{path}")

    async def chunks() -> AsyncIterator[bytes]:
        async with response:
            async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                yield chunk

    headers = {name: response.headers[name] for name in ("Content-Type", "Content-Length")}
    return StreamingResponse(chunks(), response.status, headers)
