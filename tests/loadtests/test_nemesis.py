"""The nemesis at a stand: each deed once, and nobody else's process is ever touched."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import trio
from loadtests.nemesis import deeds
from loadtests.nemesis.nemesis import torment
from loadtests.nemesis.schedule import Deed, Planned
from loadtests.nemesis.sockets import CutError, cut
from loadtests.record import Event
from loadtests.stand.child import Keeper
from loadtests.stand.layout import make_layout
from loadtests.stand.procfs import stat_of
from loadtests.stand.stand import Stand


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    keeper = Keeper()
    made = Stand(make_layout(tmp_path_factory.mktemp("stand"), workers=1, services={"steady": 2}), keeper)
    try:
        made.start()
        yield made
    finally:
        made.end()
        keeper.close()


def planned(do: Deed, target: str, *, lasts_s: float = 0.0) -> Planned:
    return Planned(at_s=0.0, do=do, target=target, lasts_s=lasts_s, settles_s=1.5, allows=["lost"])


async def test_each_deed_is_done_and_told(stand: Stand) -> None:
    wanted = [
        planned("stop", "service", lasts_s=0.05),
        planned("slow", "worker", lasts_s=0.1),
        planned("cut", "steady-1"),
        planned("kill", "steady-1"),
        planned("restart", "steady-2"),
        planned("reload", "gateway"),
        planned("kill", "worker-0"),
        planned("restart", "workers"),
        planned("kill", "worker-9"),
        planned("rotate", "gateway"),
    ]
    before = {name: child.pid for name, child in stand.services.items()}
    told: list[Event] = []
    begin = time.monotonic()
    await torment(stand, wanted, lambda: time.monotonic() - begin, told.append, seed=1)
    assert [(one.kind, one.is_done) for one in told] == [
        ("stop", True),
        ("slow", True),
        ("cut", True),
        ("kill", True),
        ("restart", True),
        ("reload", True),
        ("kill", True),
        ("restart", True),
        ("kill", False),
        ("rotate", False),
    ]
    assert told[3].outcome == f"steady-1 (process {before['steady-1']}) was killed, and is there again"
    assert told[8].outcome == "there is no worker-9 now"
    assert told[9].outcome == "the stand has no TLS; say `tls: true` in the plan"
    assert [one.replaces_workers for one in told[6:8]] == [[0], [0]]
    assert (told[0].settles_s, told[0].allowed_reasons) == (1.5, ["lost"])
    assert all(child.pid != before[name] for name, child in stand.services.items())
    assert await trio.to_thread.run_sync(stand.is_whole)
    assert stand.touched == set()


async def test_what_was_stopped_goes_on_when_the_run_ends(stand: Stand) -> None:
    told: list[Event] = []
    pid = stand.services["steady-1"].pid
    async with trio.open_nursery() as nursery:
        nursery.start_soon(torment, stand, [planned("stop", "steady-1", lasts_s=60)], lambda: 0.0, told.append, 1)
        with trio.fail_after(10):
            while (stat := stat_of(pid)) is None or stat.state != "T":  # noqa: ASYNC110 - it is another process
                await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    with trio.fail_after(10):
        while (stat := stat_of(pid)) is None or stat.state == "T":  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert [(one.is_done, one.outcome) for one in told] == [(False, "the run ended in the midst of it")]


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours that is none of the stand's."""
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield other
    other.kill()
    other.wait()


async def test_a_process_of_somebody_else_is_never_touched(stand: Stand, stranger: subprocess.Popen[bytes]) -> None:
    with pytest.raises(deeds.DeedError, match=f"process {stranger.pid} is none of the stand's"):
        deeds.send(stand, stranger.pid, signal.SIGKILL)
    with pytest.raises(deeds.DeedError, match="none of the stand's"):
        await deeds.cut_connections(stand, deeds.Victim("other", os.getpid(), None))
    assert stranger.poll() is None


async def test_what_is_drawn_depends_on_the_seed_alone(stand: Stand) -> None:
    drawn = [
        [(await deeds.draw(stand, "service", chance)).name for _ in range(8)]
        for chance in (random.Random(3), random.Random(3))
    ]
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) == {"steady-1", "steady-2"}


def test_cutting_ends_connections_and_leaves_what_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            code = "import sys, time; print('x', flush=True); time.sleep(60)"
            kept = (server.fileno(), accepted.fileno())
            holder = subprocess.Popen([sys.executable, "-c", code], pass_fds=kept, stdout=subprocess.PIPE)
            assert holder.stdout is not None
            try:
                assert holder.stdout.readline() == b"x\n"
                assert cut(holder.pid) == 1
                client.settimeout(5)
                assert client.recv(1) == b""
                socket.create_connection(server.getsockname()).close()
            finally:
                holder.kill()
                holder.wait()
                holder.stdout.close()
        with pytest.raises(CutError, match="has gone"):
            cut(holder.pid)
