"""Where a page is served: ``ADDRESS:PORT``, this machine alone unless told otherwise."""

import ipaddress
import re
import socket
from dataclasses import dataclass

from segpp.errors import InputError
from segpp.runtime.serve.reachable import own_address

__all__ = ["DEFAULT", "ServeAddress", "is_allowed_host", "parse_address"]

DEFAULT = "127.0.0.1:8090"
_HOST, _, _PORT = DEFAULT.partition(":")
_MOST_PORT = 65535


@dataclass(frozen=True)
class ServeAddress:
    """An address of this machine and a port; 0 for any free one."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """What is typed into a browser on another machine, or here if no other sees the page."""
        host = self.host
        if host == "0.0.0.0":  # noqa: S104 - shown only
            host = own_address(socket.AF_INET) or "127.0.0.1"
        elif host == "::":
            # It listens to both kinds.
            host = own_address(socket.AF_INET6, socket.AF_INET) or "::1"
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    @property
    def is_open(self) -> bool:
        """Whether other machines see the page."""
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() != "localhost"


def parse_address(text: str) -> ServeAddress:
    """Return an address as it is typed: ``127.0.0.1:8090``, ``:8090``, ``8090``, ``[::]:8090``.

    Raises:
        InputError: It is none.
    """
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]*))(?::([0-9]{1,5}))?", text)
    wrong = InputError(
        f"{text!r:.80} is no address to serve on", hint="for example: --serve 0.0.0.0:8090"
    )
    if not found or not text:
        raise wrong
    host, port = found[1] or found[2], found[3]
    if port is None and re.fullmatch(r"[0-9]{1,5}", host):
        host, port = "", host
    number = int(port or _PORT)
    if number > _MOST_PORT:
        raise wrong
    return ServeAddress(host or _HOST, number)


def is_allowed_host(header: str | None, served: str) -> bool:
    """Return whether the ``Host`` of a request names this machine.

    A page elsewhere can point its own name at this machine (DNS rebinding) and would then read what
    is served here. Addresses in numbers cannot be pointed anywhere.

    Args:
        header: As the browser sent it.
        served: The host that was asked for in ``--serve``.
    """
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::\d{1,5})?", header or "")
    if not found:
        return False
    host = found[1].strip("[]").lower().rstrip(".")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        own = socket.gethostname().lower()
        return host in {"localhost", served.lower(), own, f"{own}.local"}
    return True
