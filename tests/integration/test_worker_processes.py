"""Several processes behind one address: they start, end, die and are replaced, and clients notice nothing."""

import os
import re
import shutil
import signal
import sys
from pathlib import Path

import pytest
import trio
import trustme
from benchmarks.steady_clients import SteadyLoad
from lab_client import WAIT_S
from lab_service import RawService
from workers_lab import (
    CLIENTS,
    LOADED_SPREAD,
    LOOK_S,
    PAUSE_S,
    WorkersLab,
    addresses_of,
    end,
    open_workers,
    start,
    workers_environment,
)

pytestmark = pytest.mark.slow

SOURCE = Path(__file__).parents[2] / "src"


def is_alive(pid: int) -> bool:
    """Whether a process runs, and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def write_pair(authority: trustme.CA, folder: Path) -> str:
    """Write a certificate and its key; return the setting that names them."""
    issued = authority.issue_cert("gateway.example")
    issued.cert_chain_pems[0].write_to_path(folder / "server.pem")
    issued.private_key_pem.write_to_path(folder / "server.key")
    return f"{folder / 'server.pem'}:{folder / 'server.key'}"


async def until_gone(pids: list[int]) -> None:
    with trio.fail_after(WAIT_S):
        while any(map(is_alive, pids)):  # noqa: ASYNC110 - they are other processes
            await trio.sleep(LOOK_S)


async def pids_of(lab: WorkersLab) -> list[int]:
    return [row["pid"] for row in (await lab.workers()).values()]


async def test_workers_serve_and_a_signal_ends_them(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab, trio.open_nursery() as nursery:
        assert (await lab.admin("/ready")).status == 503
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        assert (await lab.admin("/ready")).status == 200
        assert [(await lab.get("/things/1")).body for _ in range(8)] == [b"things"] * 8
        pids = await pids_of(lab)
        client = await lab.client()
        async with trio.open_nursery() as asking:
            asking.start_soon(expect_slow, lab)
            await trio.sleep(0.2)
            lab.process.send_signal(signal.SIGTERM)
        assert await lab.exit_code() == 0
        assert lab.is_listening() == []
        await until_gone(pids)
        await client.ended()
        await client.aclose()
        service.cancel()


async def expect_slow(lab: WorkersLab) -> None:
    answer = await lab.get("/slow")
    assert (answer.status, answer.body) == (200, b"slow")


async def test_a_signal_while_they_start(tmp_path: Path) -> None:
    given = workers_environment()
    log = tmp_path / "gateway.log"
    with log.open("wb") as file:
        lab = WorkersLab(start((), given, file), log, addresses_of(given), given)
    try:
        await lab.until_said("worker 0.1: ")
        lab.process.send_signal(signal.SIGTERM)
        assert await lab.exit_code() == 0
        assert lab.is_listening() == []
        assert "Traceback" not in lab.said
    finally:
        end(lab.process)


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        pids = await pids_of(lab)
        client = await lab.client()
        await client.send(b"GET /things/1 HTTP/1.1\r\n")  # and no more: it would be waited for
        lab.process.send_signal(signal.SIGTERM)
        await lab.until_said("SIGTERM: draining")
        lab.process.send_signal(signal.SIGINT)
        assert await lab.exit_code() == 0
        await until_gone(pids)
        assert "a second signal: ending at once" in lab.said
        await client.aclose()
        service.cancel()


async def test_workers_are_replaced_without_a_failure(tmp_path: Path) -> None:
    """By a command, one slot alone, by a signal for an upgrade: under load all the time."""
    async with open_workers(tmp_path, drain_spread=LOADED_SPREAD) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        load = SteadyLoad(lab.addresses.edge)
        nursery.start_soon(load.run, CLIENTS, PAUSE_S)
        assert await lab.command("workers", "restart") == "workers were replaced by 0.2, 1.2\n"
        assert await lab.command("workers", "restart", "--slot", "1") == "workers were replaced by 1.3\n"
        await lab.until_workers("0.2", "1.3", instances=1)
        lab.process.send_signal(signal.SIGUSR2)
        await lab.until_workers("0.3", "1.4", instances=1)
        load.end()
        await load.until_sent(1)
        assert load.failures == {}
        assert load.connections > CLIENTS
        assert lab.process.poll() is None  # it is the same process
        service.cancel()


async def test_whoever_dies_is_replaced(tmp_path: Path) -> None:
    given = {"supervisor_hung_after": "3s", "drain_spread": LOADED_SPREAD}
    async with open_workers(tmp_path, **given) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        workers = await lab.workers()
        os.kill(workers["0.1"]["pid"], signal.SIGKILL)
        await lab.until_workers("0.2", "1.1", instances=1)
        assert f"worker 0.1 (pid {workers['0.1']['pid']}) was ended by SIGKILL; it is replaced" in lab.said
        os.kill(workers["1.1"]["pid"], signal.SIGSTOP)
        await lab.until_workers("0.2", "1.2", instances=1)
        assert "hangs and is ended: it has not answered status within 3 s" in lab.said
        load = SteadyLoad(lab.addresses.edge)
        nursery.start_soon(load.run, CLIENTS, PAUSE_S)
        os.kill((await lab.workers())["0.2"]["pid"], signal.SIGTERM)
        await lab.until_workers("0.3", "1.2", instances=1)
        assert re.search(r"worker 0\.2 \(pid \d+\) (drains of its own accord|has ended with status 0); it is", lab.said)
        load.end()
        assert load.failures == {}
        assert (await lab.admin("/workers")).json()["restarts"] == 3
        service.cancel()


async def test_workers_that_die_again_and_again_end_all_of_it(tmp_path: Path) -> None:
    async with open_workers(tmp_path, supervisor_crashes="3") as lab:
        with trio.move_on_after(60):
            while lab.process.poll() is None:
                for pid in children_of(lab.process.pid):
                    os.kill(pid, signal.SIGKILL)
                await trio.sleep(LOOK_S)
        assert await lab.exit_code() == 1
        said = "more than 3 workers have died within a minute, so this ends; what they wrote says why"
        assert lab.said.splitlines()[-1] == f"penstock: error: {said}"
        assert "Traceback" not in lab.said
        assert lab.is_listening() == []


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def test_a_supervisor_that_dies_takes_nobody_with_it_who_still_works(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        pids = await pids_of(lab)
        async with trio.open_nursery() as asking:
            asking.start_soon(expect_slow, lab)
            await trio.sleep(0.2)
            lab.process.kill()
            lab.process.wait()
        await until_gone(pids)
        assert lab.said.count("the supervisor has gone: draining") == 2
        assert lab.is_listening() == []
        service.cancel()


async def test_two_supervisors_on_one_address(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab:
        for name in ("edge", "services", "admin"):
            listen = lab.environment[f"PENSTOCK_{name.upper()}_LISTEN"]
            other = tmp_path / name
            other.mkdir()
            with pytest.raises(AssertionError, match="port_in_use"):
                async with open_workers(other, **{f"{name}_listen": listen}):
                    pass
            port = listen.rpartition(":")[2]
            assert (other / "gateway.log").read_text() == (
                f"penstock: error: port_in_use: {name}.listen (PENSTOCK_{name.upper()}_LISTEN={listen}): "
                f"port {port} is in use; stop what uses it (`ss -ltnp sport = :{port}`), or set another\n"
            )
        assert len(await lab.workers()) == 2


async def test_a_worker_that_cannot_start_is_told_of_once(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("nothing")
    with pytest.raises(AssertionError, match="not_pem"):
        async with open_workers(tmp_path, edge_tls_listen="127.0.0.1:0", edge_tls_certificates=f"{bad}:{bad}"):
            pass
    lines = (tmp_path / "gateway.log").read_text().splitlines()
    assert sum("not_pem" in line for line in lines) == 1
    assert lines[-1].startswith("penstock: error: worker 0.1 (pid ")
    assert lines[-1].endswith(" has ended with status 2 before it could serve; what it wrote says more")


async def test_an_upgrade_that_cannot_be_changes_nothing(tmp_path: Path) -> None:
    settings = tmp_path / "penstock.yaml"
    settings.write_text("reload: {watch: 0s}\n")
    async with open_workers(tmp_path, "--config", str(settings), workers="1") as lab:
        for text, said in (
            ("edge: {deadline: soon}", "the settings are wrong: bad_value: edge.deadline = soon"),
            ("supervisor: {python: /nowhere/python}", "/nowhere/python cannot be started: No such file or directory"),
            ("supervisor: {python: /bin/false}", "the new version refuses to start (status 1)"),
            ("supervisor: {python: /bin/true}", "/bin/true has no version that can take over; start it anew"),
        ):
            settings.write_text(text)
            answer = await lab.admin("/upgrade", "POST")
            assert answer.status == 409
            assert answer.json()["detail"].startswith(said)
        assert set(await lab.workers()) == {"0.1"}
        said = (await lab.admin("/workers/restart?slot=1", "POST")).json()["detail"]
        assert said == "there is no slot 1; there are 0 to 0"


async def test_workers_that_cannot_be_replaced_go_on(tmp_path: Path) -> None:
    files = write_pair(trustme.CA(), tmp_path)
    settings = {"edge_tls_listen": "127.0.0.1:0", "edge_tls_certificates": files, "edge_tls_reload_interval": "1h"}
    async with open_workers(tmp_path, **settings) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        key = tmp_path / "server.key"
        good = key.read_text()
        key.write_text("bad")
        said = await lab.command("workers", "restart", status=1)
        assert "not all workers were replaced: worker 0.2 (pid " in said
        assert (
            "has ended with status 2 before it could serve; what it wrote says more; the workers that serve go on"
            in said
        )
        await lab.until_workers("0.1", "1.1", instances=1)
        assert (await lab.get("/things/1")).status == 200
        key.write_text(good)
        assert await lab.command("workers", "restart") == "workers were replaced by 0.3, 1.2\n"
        service.cancel()


async def test_an_end_in_the_midst_of_a_restart(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab:
        pids = await pids_of(lab)
        assert (await lab.admin("/workers/restart", "POST")).json()["state"] == "replacing"
        assert (await lab.admin("/workers/restart", "POST")).status == 409
        assert (await lab.admin("/upgrade", "POST")).status == 409
        lab.process.send_signal(signal.SIGTERM)
        assert await lab.exit_code() == 0
        await until_gone(pids)
        assert lab.is_listening() == []
        assert "Traceback" not in lab.said


@pytest.mark.parametrize("count", [1, 3])
async def test_an_upgrade_to_another_version_with_another_number_of_workers(tmp_path: Path, count: int) -> None:
    settings = tmp_path / "penstock.yaml"
    settings.write_text("workers: 2\n")
    given = {"workers": "", "drain_spread": LOADED_SPREAD}
    async with open_workers(tmp_path, "--config", str(settings), **given) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        load = SteadyLoad(lab.addresses.edge)
        nursery.start_soon(load.run, CLIENTS, PAUSE_S)
        settings.write_text(f"workers: {count}\nsupervisor: {{python: {install(tmp_path, '9.8.7')}}}\n")
        assert await lab.command("upgrade") == "version 9.8.7 has taken over from 0.1.0\n"
        await lab.until_workers(*(["0.2"] if count == 1 else ["0.2", "1.2", "2.1"]), instances=1)
        await load.until_sent(load.sent + 200)
        load.end()
        metrics = (await lab.admin("/metrics")).body.decode()
        assert re.search(r'^penstock_build_info\{.*version="9.8.7".*\} 1', metrics, re.MULTILINE)
        assert 'version="0.1.0"' not in metrics
        assert load.failures == {}
        service.cancel()


async def test_an_upgrade_to_a_program_that_has_gone_meanwhile(tmp_path: Path) -> None:
    settings = tmp_path / "penstock.yaml"
    python = install(tmp_path, "9.8.7")
    python.write_text(
        python.read_text().replace("exec", "; rm $0; exec", 1).replace("PYTHONPATH=", "export PYTHONPATH=")
    )
    settings.write_text(f"workers: 2\nsupervisor: {{python: {python}}}\n")
    async with open_workers(tmp_path, "--config", str(settings), workers="") as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        said = await lab.command("upgrade", status=1)
        assert said.startswith(
            "not all workers were replaced: the new version cannot be started: [Errno 2] No such file"
        )
        await lab.until_workers("0.1", "1.1", instances=1)
        assert [(await lab.get("/things/1")).status for _ in range(8)] == [200] * 8
        settings.write_text("workers: 2\n")
        assert await lab.command("upgrade") == "version 0.1.0 has taken over from 0.1.0\n"
        await lab.until_workers("0.2", "1.2", instances=1)
        service.cancel()


def install(folder: Path, version: str) -> Path:
    """Install another version of the gateway beside this one, and return its Python."""
    root = folder / version
    shutil.copytree(SOURCE / "proxy", root / "proxy", ignore=shutil.ignore_patterns("__pycache__"))
    for package in ("frames", "penstock"):
        (root / package).symlink_to(SOURCE / package)
    own = root / "proxy" / "__init__.py"
    own.write_text(re.sub('__version__ = ".*"', f'__version__ = "{version}"', own.read_text()))
    python = root / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return python


async def test_a_worker_that_dies_before_it_takes_over_changes_nothing(tmp_path: Path) -> None:
    async with open_workers(tmp_path) as lab, trio.open_nursery() as nursery:
        service = await lab.serve(nursery)
        await lab.until_workers("0.1", "1.1", instances=1)
        port = (await lab.workers())["0.1"]["services_port"]
        old = RawService(await trio.open_tcp_stream(*lab.addresses.services))
        await old.join("GET /raw")  # it knows one worker, so that the new one waits for it
        await lab.admin("/workers/restart?slot=0", "POST")
        pid = await pid_of_holding(lab)
        os.kill(pid, signal.SIGKILL)
        await lab.until_said("workers are not replaced: worker 0.2 (pid ")
        assert (await lab.admin("/workers/restart")).json()["state"] == "failed"
        await lab.until_workers("0.1", "1.1", instances=1)
        newcomer = RawService(await trio.open_tcp_stream("127.0.0.1", port))
        welcome = await newcomer.join("GET /new", instance="raw-2")
        assert welcome.worker is None or welcome.worker == "0.1"
        assert [(await lab.get("/things/1")).status for _ in range(8)] == [200] * 8
        for one in (old, newcomer):
            await one.aclose()
        service.cancel()


async def pid_of_holding(lab: WorkersLab) -> int:
    with trio.fail_after(WAIT_S):
        while True:
            for row in (await lab.admin("/workers")).json()["workers"]:
                if row["state"] == "holding":
                    return int(row["pid"])
            await trio.sleep(LOOK_S)
