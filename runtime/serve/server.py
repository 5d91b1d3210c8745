"""Five addresses over HTTP: a page, its script and style, a stream of JPEGs, and the numbers.

Nothing is looked up on the disk, nothing is sent in but a line and headers, and each browser has a
thread, so Python's own server does: a board installs nothing.
"""

import errno
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from segpp.errors import InputError
from segpp.runtime.serve.address import ServeAddress, is_allowed_host
from segpp.runtime.serve.page import POLICY, SCRIPT, STYLE, page_of
from segpp.runtime.serve.view import LiveView

__all__ = ["serve"]

# Threads cost memory; a page takes two connections.
_MOST_CONNECTIONS = 32
# Who takes nothing for so long is gone. A slow one takes a picture less often.
_SECONDS = 10.0
_BOUNDARY = "segpp-frame"

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@contextmanager
def serve(view: LiveView, address: ServeAddress) -> Iterator[ServeAddress]:
    """Serve a view while the block runs, and yield where.

    Raises:
        InputError: The port is in use, or the address not one of this machine.
    """
    server = _open(view, address)
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="serve", daemon=True)
    thread.start()
    try:
        yield ServeAddress(address.host, int(server.server_address[1]))
    finally:
        view.end()
        server.shutdown()
        server.server_close()
        thread.join()


def _open(view: LiveView, address: ServeAddress) -> "_Server":
    try:
        return _Server(view, address)
    except (OSError, UnicodeError) as failure:
        where = f"cannot serve on {address.host}:{address.port}"
        number = getattr(failure, "errno", None)
        if number == errno.EADDRINUSE:
            raise InputError(
                f"{where}: another program has that port",
                hint=f"take another: --serve {address.host}:{address.port + 1}",
            ) from failure
        said = getattr(failure, "strerror", None) or str(failure)
        raise InputError(where, said) from failure


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # A slow browser must not keep the run from its end.
    block_on_close = False

    def __init__(self, view: LiveView, address: ServeAddress) -> None:
        self.view, self.host = view, address.host
        self._free = threading.Semaphore(_MOST_CONNECTIONS)
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        super().__init__((address.host, address.port), _Handler)

    def server_bind(self) -> None:
        # The default looks the machine's name up, which takes seconds without a network.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.host, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: browsers go away in the middle of a picture."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _SECONDS
    server_version, sys_version = "segpp", ""

    def do_GET(self) -> None:
        """Answer one of the addresses."""
        if not is_allowed_host(self.headers.get("Host"), self.server.host):
            self._send(421, "text/plain", b"this name is not that of the machine\n")
            return
        answer = self._answers().get(self.path.partition("?")[0])
        if answer is None:
            self._send(404, "text/plain", b"there is nothing here\n")
            return
        answer()

    def _answers(self) -> dict[str, Callable[[], None]]:
        view = self.server.view
        return {
            "/": lambda: self._send(200, "text/html", page_of(view.title).encode()),
            "/live.js": lambda: self._send(200, "text/javascript", SCRIPT.encode()),
            "/style.css": lambda: self._send(200, "text/css", STYLE.encode()),
            "/state.json": self._send_state,
            "/frame.jpg": self._send_frame,
            "/stream.mjpg": self._send_stream,
        }

    def _send_state(self) -> None:
        self._send(200, "application/json", json.dumps(self.server.view.state()).encode())

    def _send_frame(self) -> None:
        found = self.server.view.picture(after=0, seconds=_SECONDS)
        if found is None:
            self._send(503, "text/plain", b"there is no frame yet\n")
            return
        self._send(200, "image/jpeg", found[1])

    def _send_stream(self) -> None:
        """Send the newest picture each time; what comes while one is being sent is passed over."""
        # A small buffer: what lies in it would be shown late.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
        self._start(200, f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        border, number = f"\r\n--{_BOUNDARY}\r\n".encode(), 0
        self.wfile.write(border)
        while found := self.server.view.picture(number, _SECONDS):
            number, jpeg = found
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            # Browsers show a part when they see its end, so the end goes with it.
            self.wfile.write(head.encode() + jpeg + border)

    def _send(self, code: int, kind: str, content: bytes) -> None:
        said = f"{kind}; charset=utf-8" if kind.startswith("text/") else kind
        self._start(code, said, len(content))
        self.wfile.write(content)

    def _start(self, code: int, kind: str, length: int | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: the terminal is the run's."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is none, without repeating any of it."""
        del message, explain
        with suppress(OSError):
            self._send(int(code), "text/plain", b"this is no request for what is here\n")
