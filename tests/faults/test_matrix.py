"""The matrix of faults: each, in each phase, at the client's side and the service's, with what must become of it.

A cell says what the client sees and, behind it, the reason that the gateway counts where that is not the answer's own.
``lost`` alone: the connection ended before a request was there, or after its whole answer was written. Each cell has a
gateway of its own, is empty when it has ended, and serves the next request as if nothing had been.
"""

from pathlib import Path

import pytest
import trio
from fault_lab import AFTER_BYTES, Ending, Phase, Side, run_cell
from lab_tls import TlsFiles, make_tls_files
from relay import Kind

LOST = "502 service_lost"
LATE = "504 deadline"
ABORTED = "lost response_aborted"
LEFT = "lost or client_gone"
"""Whether the gateway had written the last piece when its client went is chance."""
ENDED = "503 connect_failed dial: TLS: unexpected eof while reading"
RESET = "503 connect_failed dial: TLS: the connection was closed in the handshake"
SILENT = "503 connect_failed dial: no answer"

CELLS: dict[tuple[Side, Phase], tuple[str, ...]] = {
    # ------------------------------ latency jitter cut    reset   half_close  slow      slicing  black_hole
    (Side.CLIENT, Phase.CONNECT): ("200", "200", "lost", "lost", "lost", "408 head_timeout", "200", "lost"),
    (Side.CLIENT, Phase.TLS): (
        *("200", "200", "lost tls: ended", "lost tls: ended", "lost tls: ended"),
        *("lost tls: timeout", "200", "lost tls: timeout"),
    ),
    (Side.CLIENT, Phase.ASKED_HEAD): (
        *("200", "200", "lost", "lost", "lost", "408 head_timeout", "200", "408 head_timeout"),
    ),
    (Side.CLIENT, Phase.ASKED_BODY): (
        *("200", "200", "lost", "lost", "lost", "408 body_timeout", "200", "408 body_timeout"),
    ),
    (Side.CLIENT, Phase.ASKED_STREAM): (
        *("200", "200", "lost client_gone", "lost client_gone", "lost client_gone"),
        *("lost body_timeout", "200", "lost body_timeout"),
    ),
    (Side.CLIENT, Phase.ANSWER_HEAD): ("200", "200", "lost", "lost", "lost", "silence", "200", "silence"),
    (Side.CLIENT, Phase.ANSWER_BODY): ("200", "200", "lost", "lost", "lost", "silence", "200", "silence"),
    (Side.CLIENT, Phase.ANSWER_STREAM): ("200", "200", LEFT, LEFT, LEFT, "silence", "200", "silence"),
    (Side.SERVICE, Phase.CONNECT): (
        *("200", "200", "404 no_route", "404 no_route", "404 no_route", "404 no_route", "200", "404 no_route"),
    ),
    (Side.SERVICE, Phase.TLS): ("200", "200", ENDED, RESET, ENDED, SILENT, "200", SILENT),
    (Side.SERVICE, Phase.ASKED_HEAD): ("200", "200", LOST, LOST, LOST, LATE, "200", LATE),
    (Side.SERVICE, Phase.ASKED_BODY): ("200", "200", LOST, LOST, LOST, LATE, "200", LATE),
    (Side.SERVICE, Phase.ASKED_STREAM): ("200", "200", LOST, LOST, LOST, LATE, "200", LATE),
    (Side.SERVICE, Phase.ANSWER_HEAD): ("200", "200", LOST, LOST, LOST, LATE, "200", LATE),
    (Side.SERVICE, Phase.ANSWER_BODY): ("200", "200", LOST, LOST, LOST, LATE, "200", LATE),
    (Side.SERVICE, Phase.ANSWER_STREAM): (
        *("200", "200", ABORTED, ABORTED, ABORTED, "lost stream_idle", "200", "lost stream_idle"),
    ),
}
"""By side and phase, in the order of `relay.Kind`. In a handshake with a service, which is dialled, the log says more
than the answer: that comes behind ``dial``."""


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    """A certificate for the edge."""
    return make_tls_files(tmp_path_factory.mktemp("tls"))


def expected(cell: str) -> tuple[Ending, ...]:
    """Read a cell: what may become of it."""
    cell, _, instead = cell.partition(" or ")
    if instead:
        return (Ending(cell, {}), Ending(cell, {instead: 1}))
    cell, _, why = cell.partition(" dial: ")
    seen, _, reason = cell.partition(" ")
    reasons = {what: 1 for what in (reason, why and f"dial: {why}") if what}
    return (Ending(cell if seen.isdigit() else seen, reasons),)


@pytest.mark.parametrize(("side", "phase"), CELLS, ids=lambda value: value.value)
async def test_each_fault(side: Side, phase: Phase, tls: TlsFiles) -> None:
    endings: dict[Kind, Ending] = {}

    async def run(kind: Kind) -> None:
        endings[kind] = await run_cell(side, phase, kind, tls)

    async with trio.open_nursery() as nursery:
        for kind in Kind:
            nursery.start_soon(run, kind)
    wanted = dict(zip(Kind, map(expected, CELLS[side, phase]), strict=True))
    assert not {kind.value: (endings[kind], wanted[kind]) for kind in Kind if endings[kind] not in wanted[kind]}


def test_no_phase_is_left_out() -> None:
    assert set(CELLS) == {(side, phase) for side, phases in AFTER_BYTES.items() for phase in phases}
    assert {phase for _, phase in CELLS} == set(Phase)


def test_the_relay_needs_nothing_of_the_gateway() -> None:
    source = (Path(__file__).parent / "relay.py").read_text()
    assert not any(name in source for name in ("import proxy", "import frames", "from proxy", "from frames"))
