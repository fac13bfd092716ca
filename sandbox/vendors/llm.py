"""A chat model that answers word by word, as server-sent events (OpenAI's chat completions, ``stream: true``).

Follows https://platform.openai.com/docs/api-reference/chat/streaming. Words on the model's name make it slow or break
it: ``echo;delay=0.2`` waits before each event, ``echo;held`` waits for a POST to /v1/chat/go before each but the first,
``echo;cut=2`` hangs up after two events, ``echo;stall=2`` says no more after two.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

from sandbox.messages import Reply, Request, json_reply, parse_json
from sandbox.wire import Connection

CHAT, GO = "/v1/chat/completions", "/v1/chat/go"
_END = b"0\r\n\r\n"


class Llm:
    def __init__(self) -> None:
        self._go = threading.Semaphore(0)
        self._numbers = itertools.count(1)

    def go(self) -> Reply:
        """Lets one event of a held answer pass."""
        self._go.release()
        return json_reply(200, {"ok": True})

    def answer(self, conn: Connection, request: Request) -> bool:
        """The answer to a chat; returns whether the connection stays open."""
        try:
            asked: Any = parse_json(request.body)
            said = asked["messages"][-1]["content"]
            model, *words = str(asked["model"]).split(";")
        except (ValueError, KeyError, IndexError, TypeError):
            return conn.send(
                json_reply(400, {"error": {"message": "model and messages are missing"}}),
                request.verb,
            )
        name = f"chatcmpl-{next(self._numbers)}"
        if not asked.get("stream"):
            choice = {
                "index": 0,
                "message": {"role": "assistant", "content": said},
                "finish_reason": "stop",
            }
            whole = {
                "id": name,
                "object": "chat.completion",
                "created": 0,
                "model": model,
                "choices": [choice],
            }
            return conn.send(json_reply(200, whole), request.verb)
        options = dict(word.partition("=")[::2] for word in words)
        return self._stream(conn, list(_events(name, model, said)), options)

    def _stream(self, conn: Connection, events: list[bytes], options: dict[str, str]) -> bool:
        reply = Reply(
            200, b"", (("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache"))
        )
        conn.sock.sendall(conn.head(reply, ("Transfer-Encoding", "chunked")))
        for nth, event in enumerate(events):
            if str(nth) == options.get("cut"):
                return False
            if str(nth) == options.get("stall"):
                conn.wait(None)
                return False
            if "delay" in options and conn.wait(float(options["delay"])):
                return False
            if nth and "held" in options and not self._let_go(conn):
                return False
            conn.sock.sendall(b"%x\r\n%b\r\n" % (len(event), event))
        conn.sock.sendall(_END)
        return conn.keep_alive

    def _let_go(self, conn: Connection) -> bool:
        while not self._go.acquire(timeout=0.02):
            if conn.wait(0.0):
                return False
        return True


def _events(name: str, model: str, said: str) -> Iterator[bytes]:
    for word in [*said.split(" "), None]:
        delta = {} if word is None else {"content": word}
        choice = {"index": 0, "delta": delta, "finish_reason": "stop" if word is None else None}
        chunk = {
            "id": name,
            "object": "chat.completion.chunk",
            "created": 0,
            "model": model,
            "choices": [choice],
        }
        yield b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"
    yield b"data: [DONE]\n\n"
