"""How each deed is done, to processes of the stand alone: whoever is not of one of its sessions is never signalled.

Each returns what was done, in words, and raises `DeedError` where it could not be. All that was stopped goes on when a
deed is cancelled.
"""

import hashlib
import os
import random
import signal
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import trio

from loadtests.nemesis.schedule import Planned
from loadtests.nemesis.sockets import CutError, cut
from loadtests.stand.admin import AdminError, shown
from loadtests.stand.layout import gateway_settings
from loadtests.stand.procfs import stat_of
from loadtests.stand.stand import Stand, StandError, write_certificate

BACK_S: Final = 20.0
"""So long a process may take to be there again."""
SLOW_CYCLE_S: Final = 0.02
SLOW_PART: Final = 0.5
"""Of its time a slow process stands still."""
_POLL_S: Final = 0.05


class DeedError(Exception):
    """Something could not be done. Its text says why."""


class Victim(NamedTuple):
    """A process of the stand."""

    name: str
    pid: int
    slot: int | None
    """Of a worker; None for a service."""


async def draw(stand: Stand, target: str, chance: random.Random) -> Victim:
    """Return a process that fits: worker, service, or one by its name. Raises `DeedError` where none lives."""
    if target.partition("-")[0] == "worker":
        rows = [row for row in await _rows(stand) if row["state"] == "serving"]
        found = [Victim(f"worker-{slot}", int(row["pid"]), slot) for row in rows if (slot := _slot(row)) is not None]
    else:
        found = [Victim(name, child.pid, None) for name, child in stand.services.items() if child.is_alive]
    fitting = [one for one in found if target in ("worker", "service", one.name)]
    if not fitting:
        raise DeedError(f"there is no {target} now")
    return chance.choice(fitting)


async def kill(stand: Stand, victim: Victim) -> str:
    """End a process without a word. A worker is replaced by its supervisor; a service is started again by us."""
    stand.touched.add(victim.name)
    try:
        send(stand, victim.pid, signal.SIGKILL)
        if victim.slot is None:
            await _start_again(stand, victim.name)
        await _until_whole(stand, without=victim.pid)
    finally:
        stand.touched.discard(victim.name)
    return f"{victim.name} (process {victim.pid}) was killed, and is there again"


async def stop(stand: Stand, victim: Victim, lasts_s: float) -> str:
    """Stop a process for a while."""
    try:
        send(stand, victim.pid, signal.SIGSTOP)
        await trio.sleep(lasts_s)
    finally:
        send(stand, victim.pid, signal.SIGCONT, must=False)
    return f"{victim.name} stood still for {lasts_s:g} s"


async def slow(stand: Stand, victim: Victim, lasts_s: float) -> str:
    """Take half of its time from a process for a while, in small pieces."""
    with trio.move_on_after(lasts_s):
        while True:
            await stop(stand, victim, SLOW_CYCLE_S * SLOW_PART)
            await trio.sleep(SLOW_CYCLE_S * (1 - SLOW_PART))
    return f"{victim.name} had half of its time for {lasts_s:g} s"


async def restart_service(stand: Stand, victim: Victim) -> str:
    """End a service in good order, and start it again."""
    stand.touched.add(victim.name)
    try:
        await _start_again(stand, victim.name)
        await _until_whole(stand)
    finally:
        stand.touched.discard(victim.name)
    return f"{victim.name} was ended in good order, and is there again"


async def restart_workers(stand: Stand, slot: int | None) -> str:
    """Have the supervisor put new workers in the place of all, or of one slot's."""
    path = "/workers/restart" + ("" if slot is None else f"?slot={slot}")
    status, body = await _asked(stand, "POST", path)
    if status not in (200, 202):
        raise DeedError(f"POST {path} says {status}: {shown(body)}")
    told: dict[str, Any] = {}
    with trio.move_on_after(4 * BACK_S):
        while told.get("state") not in ("done", "failed"):
            await trio.sleep(_POLL_S)
            told = await _json(stand, "/workers/restart")
    if told.get("state") != "done":
        raise DeedError(f"the workers were not replaced: {told.get('error') or told.get('state')}")
    return "all workers were replaced" if slot is None else f"worker-{slot} was replaced"


async def reload(stand: Stand, number: int) -> str:
    """Have the gateway read settings that are another text."""
    stand.layout.settings_file.write_text(gateway_settings(stand.layout, note=f"reload {number}"))
    status, body = await _asked(stand, "POST", "/reload")
    if status != 200:
        raise DeedError(f"POST /reload says {status}: {shown(body)}")
    return "the settings were read again"


async def rotate(stand: Stand) -> str:
    """Put a new certificate in the old one's place, and wait until it is what clients are shown."""
    if not stand.layout.tls_port:
        raise DeedError("the stand has no TLS; say `tls: true` in the plan")
    try:
        await trio.to_thread.run_sync(write_certificate, stand.layout.certificates)
    except StandError as error:
        raise DeedError(str(error)) from error
    wanted = await trio.to_thread.run_sync(_fingerprint, stand.layout.certificates / "localhost.pem")
    with trio.move_on_after(BACK_S):
        while await trio.to_thread.run_sync(_shown, stand.layout.tls_port) != wanted:  # noqa: ASYNC110
            await trio.sleep(_POLL_S)
        return "a new certificate is shown"
    raise DeedError(f"the new certificate is not shown within {BACK_S:g} s")


async def cut_connections(stand: Stand, victim: Victim) -> str:
    """Cut every connection that a process has."""
    _check_ours(stand, victim.pid)
    try:
        count = await trio.to_thread.run_sync(cut, victim.pid)
    except CutError as error:
        raise DeedError(str(error)) from error
    if not count:
        raise DeedError(f"{victim.name} has no connections")
    return f"{count} connections of {victim.name} were cut"


async def do(stand: Stand, planned: Planned, victim: Victim | None, number: int) -> str:
    """Do what is planned, and return what was done. number: of this deed in the run. Raises `DeedError`."""
    if planned.do == "reload":
        return await reload(stand, number)
    if planned.do == "rotate":
        return await rotate(stand)
    if planned.target == "workers":
        return await restart_workers(stand, None)
    assert victim is not None  # noqa: S101 - every other deed has one
    if planned.do == "restart":
        return await (restart_service(stand, victim) if victim.slot is None else restart_workers(stand, victim.slot))
    one: dict[str, Callable[[], Any]] = {
        "kill": partial(kill, stand, victim),
        "stop": partial(stop, stand, victim, planned.lasts_s),
        "slow": partial(slow, stand, victim, planned.lasts_s),
        "cut": partial(cut_connections, stand, victim),
    }
    return str(await one[planned.do]())


# ---- processes ----


def send(stand: Stand, pid: int, number: signal.Signals, *, must: bool = True) -> None:
    """Send a signal to a process of the stand. Raises `DeedError` where it is not one, unless that does not matter."""
    try:
        _check_ours(stand, pid)
        os.kill(pid, number)
    except (DeedError, ProcessLookupError) as error:
        if must:
            raise DeedError(f"process {pid} could not be sent {number.name}: {error}") from error


def _check_ours(stand: Stand, pid: int) -> None:
    stat = stat_of(pid)
    if stat is None or stat.session not in {child.pid for child in stand.children}:
        raise DeedError(f"process {pid} is none of the stand's")


async def _start_again(stand: Stand, name: str) -> None:
    child = stand.services[name]
    await trio.to_thread.run_sync(child.end)
    child.start()


async def _until_whole(stand: Stand, without: int = 0) -> None:
    """Wait until each worker reaches each service, and nobody names a process that was killed."""
    with trio.move_on_after(BACK_S):
        while not await trio.to_thread.run_sync(stand.is_whole, without):  # noqa: ASYNC110
            await trio.sleep(_POLL_S)
        return
    raise DeedError(f"the stand was not whole again within {BACK_S:g} s")


def _slot(row: dict[str, Any]) -> int | None:
    slot = str(row["worker"]).partition(".")[0]
    return int(slot) if slot.isdecimal() else None


# ---- pages ----


async def _rows(stand: Stand) -> list[dict[str, Any]]:
    try:
        return await trio.to_thread.run_sync(stand.workers)
    except AdminError as error:
        raise DeedError(str(error)) from error


async def _json(stand: Stand, path: str) -> dict[str, Any]:
    try:
        told: dict[str, Any] = await trio.to_thread.run_sync(stand.admin.json, path)
    except AdminError as error:
        raise DeedError(str(error)) from error
    return told


async def _asked(stand: Stand, method: str, path: str) -> tuple[int, bytes]:
    try:
        return await trio.to_thread.run_sync(stand.admin.ask, method, path, BACK_S)
    except AdminError as error:
        raise DeedError(str(error)) from error


def _fingerprint(path: Path) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(_first_certificate(path.read_text()))).hexdigest()


def _first_certificate(text: str) -> str:
    end = "-----END CERTIFICATE-----"
    return text[text.index("-----BEGIN") : text.index(end) + len(end)] + "\n"


def _shown(port: int) -> str:
    try:
        return hashlib.sha256(
            ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", port), timeout=2))
        ).hexdigest()
    except OSError:
        return ""
