"""A thousand slow clients beside one that does nothing wrong: it hardly notices, and nothing is left of them.

Attackers and well-behaved client are programs of their own; the gateway and its service are in the test's process.
"""

from pathlib import Path

import pytest
import trio
from free_port import free_port
from lab import Lab
from lab_tls import make_tls_files
from slow_lab import ATTACKERS, SECONDS, open_slow_lab, polite_client, program, run, run_own

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", ["header", "body", "reader"])
async def test_slow_clients_do_not_slow_others(kind: str) -> None:
    async with open_slow_lab() as lab:
        said = await attacked(lab, kind, lab.addresses.edge[1])
        if kind != "reader":  # which is no offence while it makes progress
            assert said["ended"] == ATTACKERS, "the gateway lets them go on"


async def attacked(lab: Lab, kind: str, port: int) -> dict[str, object]:
    """Run an attack and a well-behaved client at each of the ports beside each other; return what the attackers say."""
    said: dict[str, object] = {}

    async def attack() -> None:
        said.update(await run_own("slow_attack.py", kind, port, ATTACKERS, SECONDS))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(attack)
        nursery.start_soon(polite_client, lab.addresses.edge[1])
        if port != lab.addresses.edge[1]:
            nursery.start_soon(polite_client, port, "tls")
    print(said, lab.reasons)
    assert said["connected"] == ATTACKERS
    return said


async def test_slow_tls_hellos_do_not_slow_others(tmp_path: Path) -> None:
    """Others are those that come by TLS, and those that do not."""
    port, files = free_port(), make_tls_files(tmp_path)
    async with open_slow_lab(**files.settings(port)) as lab:
        said = await attacked(lab, "hello", port)
        assert said["ended"] == ATTACKERS, "the gateway lets them go on"


SLOWHTTPTEST = {
    "header": ("-H",),
    "body": ("-B", "-s", "100000"),
    "reader": ("-X", "-w", "512", "-y", "1024", "-z", "32"),
}
TARGETS = {"header": "/hello", "body": "/sums", "reader": "/bytes/50000000"}


@pytest.mark.parametrize("kind", list(SLOWHTTPTEST))
async def test_slowhttptest_does_not_slow_others(kind: str) -> None:
    slowhttptest = program("slowhttptest")
    async with open_slow_lab() as lab:

        async def attack() -> None:
            url = "http://{}:{}{}".format(*lab.addresses.edge, TARGETS[kind])
            common = ("-c", str(ATTACKERS), "-r", "500", "-i", "1", "-l", str(int(SECONDS)), "-p", "3", "-u", url)
            print((await run(slowhttptest, *SLOWHTTPTEST[kind], *common))[-400:])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(attack)
            nursery.start_soon(polite_client, lab.addresses.edge[1])
        print(lab.reasons)
        assert lab.count("edge_accepted") > ATTACKERS
