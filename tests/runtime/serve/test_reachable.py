"""The machine's own address, with a network and without."""

import os
import socket
import subprocess
import sys
from ipaddress import ip_address

import pytest

from segpp.runtime.serve.reachable import own_address

SCRIPT = """
import socket
from segpp.runtime.serve.reachable import own_address
print(own_address(socket.AF_INET, socket.AF_INET6))
"""

# Between a laptop and a board: an address, and no way out.
CABLE = "ip link add d0 type veth peer d1; ip addr add 10.7.0.2/24 dev d0; ip link set d0 up"


def test_it_is_one_on_which_this_machine_can_listen() -> None:
    found = own_address(socket.AF_INET)
    if found is None:
        pytest.skip("this machine is on no network")

    assert not ip_address(found).is_loopback
    with socket.create_server((found, 0)) as server:
        assert server.getsockname()[0] == found


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        ("true", "None"),
        ("ip link set lo up", "None"),
        (CABLE, "10.7.0.2"),
    ],
    ids=["nothing", "itself alone", "no way out"],
)
def test_a_machine_of_few_networks_is_told_apart(setup: str, expected: str) -> None:
    inside = ["unshare", "--net", "--map-root-user", "sh", "-c"]
    command = f'{setup} && exec "$0" -c "$1"'
    done = subprocess.run(
        [*inside, command, sys.executable, SCRIPT], env=os.environ, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"no network of its own can be made here: {done.stderr:.100}")

    assert done.stdout.strip() == expected
