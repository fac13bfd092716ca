"""A chat model that answers word by word, as server-sent events (OpenAI's chat completions).

Follows https://platform.openai.com/docs/api-reference/chat/streaming. Words on the model's name
make it slow or break it: ``echo;delay=0.2`` waits before each event, ``echo;held`` waits for a POST
to /v1/chat/go before each but the first, ``echo;cut=2`` hangs up after two events, ``echo;stall=2``
says no more after two.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

from sandbox.messages import Reply, Request, json_reply, parse_json
from sandbox.wire import ClientConnection

CHAT_PATH = "/v1/chat/completions"
GO_PATH = "/v1/chat/go"
_LAST_CHUNK = b"0\r\n\r\n"
_POLL_SECONDS = 0.02


class Llm:
    def __init__(self) -> None:
        self._go = threading.Semaphore(0)
        self._numbers = itertools.count(1)

    def go(self) -> Reply:
        """Lets one event of a held answer pass."""
        self._go.release()
        return json_reply(200, {"ok": True})

    def answer(self, conn: ClientConnection, request: Request) -> bool:
        """Answer a chat; return whether the connection stays open."""
        try:
            chat: Any = parse_json(request.body)
            text = chat["messages"][-1]["content"]
            model, *words = str(chat["model"]).split(";")
        except (ValueError, KeyError, IndexError, TypeError):
            return conn.send(
                json_reply(400, {"error": {"message": "model and messages are missing"}}),
                request.verb,
            )
        completion_id = f"chatcmpl-{next(self._numbers)}"
        if not chat.get("stream"):
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            completion = _completion("chat.completion", completion_id, model, choice)
            return conn.send(json_reply(200, completion), request.verb)
        options = dict(word.partition("=")[::2] for word in words)
        return self._stream(conn, list(_events(completion_id, model, text)), options)

    def _stream(self, conn: ClientConnection, events: list[bytes], options: dict[str, str]) -> bool:
        reply = Reply(
            200, b"", (("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"))
        )
        conn.sock.sendall(conn.head(reply, ("Transfer-Encoding", "chunked")))
        for number, event in enumerate(events):
            if str(number) == options.get("cut"):
                return False
            if str(number) == options.get("stall"):
                conn.wait(None)
                return False
            if "delay" in options and conn.wait(float(options["delay"])):
                return False
            if number and "held" in options and not self._wait_for_go(conn):
                return False
            conn.sock.sendall(b"%x\r\n%b\r\n" % (len(event), event))
        conn.sock.sendall(_LAST_CHUNK)
        return conn.keep_alive

    def _wait_for_go(self, conn: ClientConnection) -> bool:
        """Return False when the client left first."""
        while not self._go.acquire(timeout=_POLL_SECONDS):
            if conn.wait(0.0):
                return False
        return True


def _events(completion_id: str, model: str, text: str) -> Iterator[bytes]:
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": {"content": word}, "finish_reason": None} for word in text.split(" ")
    ]
    for choice in [*choices, {"index": 0, "delta": {}, "finish_reason": "stop"}]:
        chunk = _completion("chat.completion.chunk", completion_id, model, choice)
        yield b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"


def _completion(
    kind: str, completion_id: str, model: str, choice: dict[str, Any]
) -> dict[str, Any]:
    return {
        "id": completion_id,
        "object": kind,
        "created": 0,
        "model": model,
        "choices": [choice],
    }
