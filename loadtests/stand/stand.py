"""Starts the stand, knows its processes by name, and ends them."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from loadtests.order import Address
from loadtests.record import Role
from loadtests.stand.admin import Admin, AdminError
from loadtests.stand.child import Child, Keeper, end_together
from loadtests.stand.layout import Layout, gateway_settings, service_command, service_environment
from loadtests.tools import ROOT

READY_S: Final = 30.0
_POLL_S: Final = 0.05


class StandError(Exception):
    """The stand cannot be had. Its text is one line, with the fix."""


class Stand:
    """A gateway and its services, in processes of their own.

    Resource handling: `start` may fail halfway; `end` ends whatever there is, and may be called at any time, and again.
    """

    def __init__(self, layout: Layout, keeper: Keeper) -> None:
        """Start nothing yet."""
        self.layout = layout
        self.admin = Admin(Address("127.0.0.1", layout.admin_port))
        self.gateway = self._child(
            "supervisor" if layout.workers else "gateway",
            "supervisor" if layout.workers else "worker",
            [*layout.gateway_command, "--config", str(layout.settings_file)],
            {},
            keeper,
        )
        self.services = {
            name: self._child(name, "service", service_command(module), service_environment(layout, name), keeper)
            for module, name in layout.instances()
        }
        self.is_given_up = False
        """Set by another thread, to break off `start`."""
        self.touched: set[str] = set()
        """Services that somebody ends and starts again at this moment."""

    def _child(self, name: str, role: Role, command: list[str], environment: dict[str, str], keeper: Keeper) -> Child:
        return Child(name, role, command, environment, self.layout.folder / f"{name}.log", keeper)

    @property
    def edge(self) -> Address:
        """Where clients come in."""
        return self.layout.edge

    @property
    def tls_edge(self) -> Address | None:
        """Where clients come in over TLS; None where there is none."""
        return Address("127.0.0.1", self.layout.tls_port) if self.layout.tls_port else None

    @property
    def authority(self) -> str:
        """The file of the authority that signs its certificate."""
        return str(self.layout.certificates / "ca.pem") if self.layout.tls_port else ""

    @property
    def services_address(self) -> Address | None:
        """Where services connect to."""
        return Address("127.0.0.1", self.layout.services_port)

    @property
    def has_workers_here(self) -> bool:
        """Worker processes that /workers names are processes of this machine, beside the gateway's first."""
        return self.layout.workers > 0

    @property
    def children(self) -> Iterator[Child]:
        """The gateway's first process, and the services."""
        yield self.gateway
        yield from self.services.values()

    def start(self) -> None:
        """Start all of it, and wait until each worker reaches each service. Raises `StandError`."""
        if self.layout.tls_port:
            write_certificate(self.layout.certificates)
        self.layout.settings_file.write_text(gateway_settings(self.layout))
        try:
            self.gateway.start()
            self._wait(self._is_listening, "does not answer at its admin listener")
            for service in self.services.values():
                service.start()
            self._wait(self.is_whole, "has not all of its services")
        except OSError as error:
            raise StandError(f"the stand cannot be started: {error}; is this run from a checkout?") from error

    def _wait(self, is_so: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if self.is_given_up:
                raise StandError("the start of the stand was broken off")
            self.check()
            if is_so():
                return
            time.sleep(_POLL_S)
        raise StandError(f"the gateway {what} within {READY_S:.0f} s: {self.gateway.last_words()}")

    def check(self) -> None:
        """Raise `StandError` when the gateway has ended."""
        if not self.gateway.is_alive:
            code, said = self.gateway.exit_code, self.gateway.last_words()
            raise StandError(f"the gateway has ended with status {code}: {said} (its log: {self.gateway.log})")

    def _is_listening(self) -> bool:
        try:
            return self.admin.ask("GET", "/health")[0] == 200
        except AdminError:
            return False

    def is_whole(self, without: int = 0) -> bool:
        """Whether each worker serves and reaches each service, and none is the process `without`.

        Raises `StandError` when a service has ended that nobody has touched.
        """
        for service in self.services.values():
            if not service.is_alive and service.name not in self.touched:
                said = service.last_words()
                raise StandError(f"{service.name} has ended with status {service.exit_code}: {said} ({service.log})")
        try:
            rows = self.workers()
            if not self.layout.workers:
                registered = {row["instance"] for row in self.admin.json("/services")["services"]}
                return self.services.keys() <= registered
        except AdminError:
            return False
        serving = [row for row in rows if row["state"] == "serving" and row["pid"] != without]
        reached = all(len(row["instances"]) >= len(self.services) for row in serving)
        return len(serving) == self.layout.workers and reached

    def workers(self) -> list[dict[str, Any]]:
        """The rows of /workers. Raises `AdminError`."""
        found: list[dict[str, Any]] = self.admin.json("/workers")["workers"]
        return found

    def end(self) -> None:
        """End all of it: first the services, which say so to the gateway."""
        end_together([*self.services.values()])
        self.gateway.end()


def write_certificate(folder: Path) -> None:
    """Write a certificate for localhost; one that is there is replaced, its authority stays. Raises `StandError`."""
    command = [sys.executable, "-P", "-m", "proxy.cli.main", "cert", "--directory", str(folder), "--force"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=READY_S)
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())[-300:]
        raise StandError(f"no certificate could be made: {said}; install what is missing: pip install 'penstock[tls]'")
