"""A TCP proxy that stands between a program and its server, and does the way between them harm.

with FaultProxy(6379) as proxy, proxy.faulty("drop"):
    redis.Redis(port=proxy.port).ping()
"""

import asyncio
import multiprocessing
import random
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

DELAY_SECONDS = 0.5  # that each piece is late, either way
DRIP_SECONDS = 0.02  # from byte to byte of what the server says
BYTES_PER_SECOND = 2048  # either way
PIECE_BYTES = 65536
START_TIMEOUT_SECONDS = 30
#: What each does to the way.
FAULTS = {
    "delay": f"every piece is {DELAY_SECONDS} s late, either way",
    "drop": "nothing passes either way; it does, late, once the fault ends",
    "reset": "connections are reset; new ones with their first byte",
    "half-open": "open connections fall silent for good; new ones are well",
    "garbage": "random bytes in place of what the server says",
    "drip": f"a byte every {DRIP_SECONDS} s of what the server says",
    "bandwidth": f"{BYTES_PER_SECOND} bytes a second, either way",
}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Link:
    """One connection of a client, and the one to the server for it."""

    def __init__(self, *ends: asyncio.StreamWriter) -> None:
        self._ends = ends
        self.is_silent = False
        self.is_spoiled = False

    def reset(self) -> None:
        for end in self._ends:
            with suppress(OSError):
                sock = end.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            end.transport.abort()

    def close(self) -> None:
        for end in self._ends:
            end.close()


class FaultProxy:
    """Listens on ``port`` of the loopback between entry and exit; its loop has a thread of its own.

    :param server: a port of the loopback, or the path of a unix socket.
    """

    def __init__(self, server: int | str) -> None:
        self._server = server
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._fault = ""
        self._over = asyncio.Event()
        self._random = random.Random(15)  # noqa: S311 - garbage, and the same each time
        self.port = 0

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        self.port = self._run(self._listen())
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @contextmanager
    def faulty(self, fault: str) -> Iterator[None]:
        """Do this harm while the block runs.

        :param fault: one of ``FAULTS``.
        """
        self._run(self._begin(fault))
        try:
            yield
        finally:
            self._run(self._end())

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_TIMEOUT_SECONDS)

    async def _listen(self) -> int:
        self._over.set()
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return int(self._listener.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._listener.close()
        for link in self._links.copy():
            link.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin(self, fault: str) -> None:
        self._fault = fault
        self._over.clear()
        for link in self._links.copy():
            link.is_silent |= fault == "half-open"
            if fault == "reset":
                link.reset()

    async def _end(self) -> None:
        self._fault = ""
        self._over.set()
        for link in self._links.copy():
            if link.is_spoiled:
                link.reset()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, server_writer)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pass(reader, server_writer, link, self._ask),
                self._pass(server_reader, writer, link, self._answer),
            )
        finally:
            self._links.discard(link)
            link.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._server, str):
            return await asyncio.open_unix_connection(self._server)
        return await asyncio.open_connection("127.0.0.1", self._server)

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        link: Link,
        send: Callable[..., Any],
    ) -> None:
        """Pass on what comes until the end, and the end itself."""
        with suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                if self._fault == "drop":
                    await self._over.wait()
                if self._fault == "delay":
                    await self._pause(DELAY_SECONDS)
                if not link.is_silent:
                    await send(piece, writer, link)
        if self._fault == "drop":
            await self._over.wait()
        if link.is_silent:
            link.close()  # whoever is still there has given up
        with suppress(OSError):
            writer.write_eof()

    async def _ask(self, piece: bytes, writer: asyncio.StreamWriter, link: Link) -> None:
        if self._fault == "reset":
            link.reset()
        elif self._fault == "bandwidth":
            await self._trickle(piece, writer, BYTES_PER_SECOND // 10, 0.1)
        else:
            await _write(piece, writer)

    async def _answer(self, piece: bytes, writer: asyncio.StreamWriter, link: Link) -> None:
        if self._fault == "garbage":
            link.is_spoiled = True
            piece = self._random.randbytes(len(piece))
        if self._fault == "drip":
            await self._trickle(piece, writer, 1, DRIP_SECONDS)
        elif self._fault == "bandwidth":
            await self._trickle(piece, writer, BYTES_PER_SECOND // 10, 0.1)
        else:
            await _write(piece, writer)

    async def _trickle(
        self, piece: bytes, writer: asyncio.StreamWriter, size: int, seconds: float
    ) -> None:
        """Write so many bytes at a time while the fault lasts, and then the rest."""
        while piece and not self._over.is_set():
            await _write(piece[:size], writer)
            piece = piece[size:]
            await self._pause(seconds)
        await _write(piece, writer)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)


class ProxyProcess:
    """The same in a process of its own, whose turns no busy caller takes."""

    def __init__(self, server: int | str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(server, theirs), daemon=True)

    def __enter__(self) -> "ProxyProcess":
        self._process.start()
        self.port = self._pipe.recv()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._pipe.send("")
        self._process.join()

    @contextmanager
    def faulty(self, fault: str) -> Iterator[None]:
        self._pipe.send(fault)
        self._pipe.recv()
        try:
            yield
        finally:
            self._pipe.send("")
            self._pipe.recv()


def serve(server: int | str, pipe: Any) -> None:
    """Be such a process: each fault begins and ends with a word on the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the parent says when
    with FaultProxy(server) as proxy:
        pipe.send(proxy.port)
        while fault := pipe.recv():
            with proxy.faulty(fault):
                pipe.send("")
                pipe.recv()
            pipe.send("")


async def _write(piece: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(piece)
    await writer.drain()
