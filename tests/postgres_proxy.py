"""A TCP proxy before PostgreSQL that loses one message of a conversation and hangs up, as a network may."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.ports import free_port

COMMIT = b"COMMIT\0"


class LossyProxy:
    """``lose`` is ``""`` (nothing), ``answer`` (to COMMIT), ``commit`` (itself), or ``insert`` (and what follows it).

    It loses that once, and then nothing. ``all`` is every connection, until it says otherwise.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._socket_file = str(Path(parse_qs(parts.query)["host"][0]) / ".s.PGSQL.5432")
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self.url = f"postgresql://postgres@127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"
        self.lose = ""
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not
        self._acceptor.join(30)  # or it accepts at whatever gets the descriptor next
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.lose == "all":
                    client.close()
                    continue
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._socket_file)
        silent = threading.Event()
        back = threading.Thread(target=self._pass_back, args=(server, client, silent), daemon=True)
        back.start()
        with client, server, contextlib.suppress(OSError):
            while (piece := client.recv(65536)) and self.lose != "all":
                if self.lose == "insert" and b"INSERT" in piece:
                    self.lose = ""
                    break
                if self.lose == "commit" and COMMIT in piece:
                    self.lose = ""
                    break
                if self.lose == "answer" and COMMIT in piece:
                    self.lose = ""
                    silent.set()
                    server.sendall(piece)
                    back.join(60)  # the server has answered
                    break
                server.sendall(piece)
            for sock in (client, server):
                sock.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _pass_back(server: socket.socket, client: socket.socket, silent: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while piece := server.recv(65536):
                if silent.is_set():
                    return
                client.sendall(piece)
            client.shutdown(socket.SHUT_RDWR)
