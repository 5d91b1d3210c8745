"""The address of this machine under which others reach it, found without asking anybody."""

import array
import socket
import struct
import sys
from contextlib import suppress
from ipaddress import ip_address

__all__ = ["own_address"]

# Addresses for documentation (RFC 5737, RFC 3849): routed as any other, and nobody's.
_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_PORT = 9
_SIOCGIFADDR = 0x8915


def own_address(*families: socket.AddressFamily) -> str | None:
    """Return this machine's address on the network, None where it has none.

    Args:
        families: Kinds of address, the preferred one first.
    """
    for family in families:
        for found in (_of_the_route(family), *_of_interfaces(family)):
            if found and not ip_address(found).is_loopback:
                return found
    return None


def _of_the_route(family: socket.AddressFamily) -> str | None:
    """Return the address from which packets to elsewhere would leave; none does."""
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as unsent:
        # Connecting a datagram's socket chooses a route and sends nothing.
        unsent.connect((_ELSEWHERE[family], _PORT))
        return str(unsent.getsockname()[0])
    return None


def _of_interfaces(family: socket.AddressFamily) -> list[str]:
    """Return the addresses of a machine that is on a network without a way out of it."""
    if family != socket.AF_INET or sys.platform != "linux":
        return []
    return [found for _, name in socket.if_nameindex() if (found := _of_interface(name))]


def _of_interface(name: str) -> str | None:
    import fcntl  # noqa: PLC0415 - not on Windows

    asked = array.array("B", struct.pack("16s24x", name.encode()[:15]))
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_one:
        fcntl.ioctl(any_one.fileno(), _SIOCGIFADDR, asked)
        return socket.inet_ntoa(asked.tobytes()[20:24])
    return None
