"""The server from a browser's side, on the loopback address."""

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse

import numpy as np
import pytest
from PIL import Image

from segpp.errors import InputError
from segpp.runtime.media.looks.base import RenderConfig, Segmented
from segpp.runtime.serve.address import ServeAddress
from segpp.runtime.serve.server import serve
from segpp.runtime.serve.view import LiveView

RENDER = RenderConfig(("overlay",), ((200, 0, 0), (0, 200, 0)), 1.0, ("road", "sky"))
ANY = ServeAddress("127.0.0.1", 0)


@pytest.fixture
def view() -> LiveView:
    return LiveView("b0.onnx: camera", render=RENDER)


@pytest.fixture
def port(view: LiveView) -> Iterator[int]:
    with serve(view, ANY) as address:
        yield address.port


def shown(label: int, side: int = 48) -> Segmented:
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    return Segmented(image, np.full((side, side), label, np.uint8))


def get(port: int, path: str, host: str = "127.0.0.1", verb: str = "GET") -> HTTPResponse:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(verb, path, headers={"Host": host})
    return connection.getresponse()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/live.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/state.json", "application/json"),
    ],
)
def test_every_address_answers_with_its_kind_and_a_policy(port: int, path: str, kind: str) -> None:
    answer = get(port, path)
    body = answer.read()

    assert answer.status == 200
    assert answer.headers["Content-Type"] == kind
    assert int(answer.headers["Content-Length"]) == len(body) > 0
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_newest_picture_can_be_had_alone(port: int, view: LiveView) -> None:
    view.show(shown(1))

    answer = get(port, "/frame.jpg?1")

    assert answer.headers["Content-Type"] == "image/jpeg"
    with Image.open(io.BytesIO(answer.read())) as image:
        assert image.size == (48, 48)


@pytest.mark.parametrize(
    "path", ["/none", "/../../etc/passwd", "//etc/passwd", "/%2e%2e/etc/passwd", "/state.json/"]
)
def test_there_is_nothing_else(port: int, path: str) -> None:
    assert get(port, path).status == 404


def test_a_page_elsewhere_with_a_name_for_this_machine_gets_nothing(port: int) -> None:
    """DNS rebinding: the browser believes that evil.example is this machine."""
    answer = get(port, "/state.json", host=f"evil.example:{port}")

    assert answer.status == 421
    assert b"classes" not in answer.read()


@pytest.mark.parametrize("verb", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "<script>"])
def test_nothing_but_reading_is_answered(port: int, verb: str) -> None:
    answer = get(port, "/", verb=verb)

    assert answer.status == 501
    assert b"script" not in answer.read()


def parts(answer: HTTPResponse, count: int) -> list[bytes]:
    """Return JPEGs from a stream."""
    found: list[bytes] = []
    while len(found) < count:
        line = answer.readline()
        if line.startswith(b"Content-Length:"):
            answer.readline()
            found.append(answer.read(int(line.partition(b":")[2])))
    return found


def test_several_browsers_see_the_stream_at_once(port: int, view: LiveView) -> None:
    view.show(shown(0))
    browsers = [get(port, "/stream.mjpg") for _ in range(3)]
    firsts = [parts(one, 1)[0] for one in browsers]
    view.show(shown(1))
    seconds = [parts(one, 1)[0] for one in browsers]

    kind = browsers[0].headers["Content-Type"]
    assert kind == "multipart/x-mixed-replace; boundary=segpp-frame"
    assert len(set(firsts)) == len(set(seconds)) == 1
    assert firsts[0] != seconds[0]
    for one in browsers:
        one.close()


def test_a_browser_that_takes_nothing_holds_nobody_up(port: int, view: LiveView) -> None:
    slow = socket.create_connection(("127.0.0.1", port))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow.sendall(b"GET /stream.mjpg HTTP/1.0\r\nHost: localhost\r\n\r\n")
    picture, spent = shown(0, 1000), []
    for _ in range(50):
        start = time.perf_counter()
        view.show(picture)
        spent.append(time.perf_counter() - start)
        time.sleep(0.005)

    assert get(port, "/state.json").status == 200
    assert max(spent) < 0.5
    slow.close()


def test_the_stream_ends_with_the_run(view: LiveView) -> None:
    with serve(view, ANY) as address:
        view.show(shown(0))
        answer = get(address.port, "/stream.mjpg")
        parts(answer, 1)
        state = get(address.port, "/state.json").read()
    start = time.monotonic()

    assert json.loads(state)["over"] is False
    assert b"Content-Type" not in answer.read()
    assert time.monotonic() - start < 5


def test_connections_are_bounded(port: int) -> None:
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    time.sleep(0.5)
    names = [thread.name for thread in threading.enumerate()]

    assert 0 < sum("process_request_thread" in name for name in names) <= 32
    for one in idle:
        one.close()


def test_a_port_in_use_is_said_in_a_sentence(port: int, view: LiveView) -> None:
    with (
        pytest.raises(InputError, match=f"cannot serve on 127.0.0.1:{port}: another program"),
        serve(view, ServeAddress("127.0.0.1", port)),
    ):
        pass


@pytest.mark.parametrize("host", ["203.0.113.1", "no.such.host.invalid"])
def test_an_address_of_another_machine_is_said(view: LiveView, host: str) -> None:
    with (
        pytest.raises(InputError, match=f"cannot serve on {host}:8090"),
        serve(view, ServeAddress(host, 8090)),
    ):
        pass
