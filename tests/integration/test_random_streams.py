"""Clients, services and TLS at random: each answer belongs to its request, each body is whole or visibly cut.

What everybody sends follows from the seed; how it meets on the way does not. PENSTOCK_FUZZ_SECONDS makes it look for
longer, with other seeds.
"""

import os
import ssl
import time
from collections.abc import Iterator

import pytest
import trio
from free_port import free_port
from lab import open_lab, until
from lab_tls import TlsFiles, make_tls_files
from random_client import Edges, RandomClient
from random_ledger import Drawn, Ledger, is_answer_to, is_cut_answer_to, make_answer
from random_service import RandomService

FUZZ_SECONDS = float(os.environ.get("PENSTOCK_FUZZ_SECONDS", "0"))
SEEDS = range(1, 9)
CLIENTS, SERVICES = 20, 3
SETTINGS = {"edge_stream_idle_timeout": "2s", "edge_deadline": "2s", "edge_head_timeout": "1s"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls_files(tmp_path_factory.mktemp("tls"))


def seeds() -> Iterator[int]:
    """The same ones first, then others for as long as there is time."""
    yield from SEEDS
    until = time.monotonic() + FUZZ_SECONDS
    while time.monotonic() < until:
        yield time.time_ns()


async def everybody(edges: Edges, ledger: Ledger, seed: int, *, is_tolerant: bool) -> None:
    """Run the services for as long as there are clients."""
    async with trio.open_nursery() as services:
        for number in range(SERVICES):
            services.start_soon(RandomService(edges.lab, ledger, seed, number).run)
        await until(lambda: len(edges.lab.health) == SERVICES)
        async with trio.open_nursery() as clients:
            for number in range(CLIENTS):
                client = RandomClient(edges, ledger, seed, number, is_tolerant=is_tolerant)
                clients.start_soon(client.run)
        services.cancel_scope.cancel()


async def run_seed(files: TlsFiles, parsing: str, seed: int) -> Ledger:
    """Run one seed with a gateway of its own, of which nothing may be left."""
    ledger, port = Ledger(), free_port()
    context = ssl.create_default_context(cafile=str(files.authority))
    async with open_lab(edge_parsing=parsing, **SETTINGS, **files.settings(port)) as lab:
        edges = Edges(lab, port, context)
        await everybody(edges, ledger, seed, is_tolerant=parsing == "tolerant")
        await lab.census()
        assert "internal" not in lab.reasons, (seed, lab.reasons)
    return ledger


@pytest.mark.parametrize("parsing", ["strict", "tolerant"])
async def test_random_streams(files: TlsFiles, parsing: str) -> None:
    for seed in seeds():
        ledger = await run_seed(files, parsing, seed)
        assert not ledger.wrong, (seed, len(ledger.wrong), ledger.wrong[:5])
        assert ledger.counts["answered"] > 100, (seed, ledger.counts)


def test_judge() -> None:
    """What the ledger takes for an answer is nothing but the whole answer to that request."""
    drawn = Drawn("POST", b"/s/1", b"body", b"")
    right = make_answer(b"/s/1", b"body", 10)
    assert is_answer_to(drawn, right)
    for wrong in (right[:-1], right + b"z", make_answer(b"/s/2", b"body"), make_answer(b"/s/1", b"bod"), b"", b"WRONG"):
        assert not is_answer_to(drawn, wrong)
    for cut in (b"", right[:3], right[:-1]):
        assert is_cut_answer_to(drawn, cut)
    for whole_or_wrong in (right, right + b"z", make_answer(b"/s/2", b"body")[:-1], make_answer(b"/s/1", b"bod")[:-1]):
        assert not is_cut_answer_to(drawn, whole_or_wrong)
