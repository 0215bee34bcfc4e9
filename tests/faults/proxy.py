"""A TCP proxy before a real S3 server that does what networks do: cut, delay, refuse, answer 503."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_SLOW_DOWN = (
    b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.'
    b"</Message></Error>"
)


@dataclass
class Faults:
    """What goes wrong, and how often; read for each connection.

    Attributes:
        cut_after: bytes from the client after which a connection is reset.
        cuts: how many connections are cut so.
        cut_answer_after: bytes from the server after which a connection is reset.
        answer_cuts: how many connections are cut so.
        slow_downs: how many requests are answered with 503 SlowDown.
        slow_until: time until which every request is.
        now: the clock of ``slow_until``.
        delay: seconds before each answer begins.
        down: whether connections are reset as soon as they are made.
        seen: connections so far.
    """

    cut_after: int = 0
    cuts: int = 0
    cut_answer_after: int = 0
    answer_cuts: int = 0
    slow_downs: int = 0
    slow_until: float = 0.0
    now: Callable[[], float] = time.monotonic
    delay: float = 0.0
    down: bool = False
    seen: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, name: str) -> bool:
        """Use up one of a counted fault, if any is left."""
        with self.lock:
            left = getattr(self, name)
            setattr(self, name, max(0, left - 1))
            return bool(left > 0)


def _reset(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _serve(client: socket.socket, address: tuple[str, int], faults: Faults) -> None:
    faults.seen += 1
    if faults.down:
        _reset(client)
        return
    if faults.now() < faults.slow_until or faults.take("slow_downs"):
        with contextlib.suppress(OSError):
            client.settimeout(0.5)
            while client.recv(1 << 16):
                pass
        head = "HTTP/1.1 503 Slow Down\r\nConnection: close\r\n"
        head += f"Content-Length: {len(_SLOW_DOWN)}\r\n\r\n"
        with contextlib.suppress(OSError):
            client.sendall(head.encode() + _SLOW_DOWN)
            client.shutdown(socket.SHUT_WR)
        client.close()
        return
    try:
        server = socket.create_connection(address, 10)
    except OSError:
        _reset(client)
        return

    asked = threading.Event()  # since the last answer began

    def answer() -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 14):
                if asked.is_set():
                    asked.clear()
                    time.sleep(faults.delay)
                passed += len(data)
                if 0 < faults.cut_answer_after < passed and faults.take("answer_cuts"):
                    client.shutdown(socket.SHUT_RDWR)  # also wakes the thread that reads from it
                    return
                client.sendall(data)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_WR)

    threading.Thread(target=answer, daemon=True).start()
    passed = 0
    try:
        while data := client.recv(1 << 14):
            passed += len(data)
            cut = 0 < faults.cut_after < passed and faults.take("cuts")
            if cut or faults.down:  # also those that were open before
                _reset(server)
                _reset(client)
                return
            asked.set()
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextlib.contextmanager
def proxied(endpoint: str) -> Iterator[tuple[str, Faults]]:
    """The address of a proxy of an HTTP server, and its faults, which may be changed at any time."""
    host, port = endpoint.removeprefix("http://").split(":")
    faults = Faults()
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                arguments = (client, (host, int(port)), faults)
                threading.Thread(target=_serve, args=arguments, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", faults
    finally:
        listener.close()
