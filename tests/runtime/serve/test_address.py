"""Where a page is served, and by which names a browser may ask for it."""

import socket

import pytest

from segpp.errors import InputError
from segpp.runtime.serve.address import DEFAULT, ServeAddress, is_allowed_host, parse_address
from segpp.runtime.serve.reachable import own_address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        (DEFAULT, "127.0.0.1", 8090),
        ("0.0.0.0:80", "0.0.0.0", 80),  # noqa: S104 - a case
        (":9000", "127.0.0.1", 9000),
        ("9000", "127.0.0.1", 9000),
        ("board.local", "board.local", 8090),
        ("[::1]:9000", "::1", 9000),
    ],
)
def test_an_address_is_read_as_it_is_typed(text: str, host: str, port: int) -> None:
    assert parse_address(text) == ServeAddress(host, port)


@pytest.mark.parametrize("text", ["", "a b", "host:99999", "http://host:80", "::1", "host:", "a/b"])
def test_what_is_no_address_is_said(text: str) -> None:
    with pytest.raises(InputError, match="is no address to serve on"):
        parse_address(text)


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("127.0.0.1:8090", True),
        ("localhost:8090", True),
        ("LOCALHOST", True),
        ("[::1]:8090", True),
        ("192.168.1.20:8090", True),
        (socket.gethostname(), True),
        ("board.example", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost@evil.example", False),
        ("", False),
        (None, False),
    ],
)
def test_a_foreign_name_for_this_machine_is_refused(header: str | None, allowed: bool) -> None:  # noqa: FBT001 - a case
    assert is_allowed_host(header, "board.example") is allowed


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (ServeAddress("127.0.0.1", 80), "http://127.0.0.1:80/"),
        (ServeAddress("192.168.1.20", 80), "http://192.168.1.20:80/"),
        (ServeAddress("::1", 81), "http://[::1]:81/"),
        (ServeAddress("board.local", 81), "http://board.local:81/"),
    ],
)
def test_what_is_shown_can_be_typed_into_a_browser(address: ServeAddress, url: str) -> None:
    assert address.url == url


def test_of_all_addresses_the_one_is_shown_that_others_reach() -> None:
    address = ServeAddress("0.0.0.0", 80)  # noqa: S104 - a case

    assert address.url == f"http://{own_address(socket.AF_INET) or '127.0.0.1'}:80/"


@pytest.mark.parametrize(
    ("host", "is_open"),
    [
        ("127.0.0.1", False),
        ("127.1.2.3", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),  # noqa: S104 - a case
        ("::", True),
        ("192.168.1.20", True),
        ("board.local", True),
    ],
)
def test_it_is_known_whether_others_see_the_page(host: str, *, is_open: bool) -> None:
    assert ServeAddress(host, 80).is_open is is_open
