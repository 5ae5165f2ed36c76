"""What the stand consists of, and how each of its programs is told: plain values, nothing is started here."""

import sys
from pathlib import Path
from typing import Final

import msgspec
import yaml

from loadtests.order import Address
from loadtests.tools import free_ports

GATEWAY: Final = [sys.executable, "-P", "-m", "proxy.cli.main", "serve"]
DRAIN_S: Final = 5.0
CALLERS: Final = ("loadtests-caller", "steady")


class Layout(msgspec.Struct, kw_only=True, frozen=True):
    """A gateway and its services on loopback."""

    folder: Path
    """For settings, logs and certificates."""
    edge_port: int
    services_port: int
    admin_port: int
    tls_port: int
    """0: no TLS at the edge."""
    workers: int
    services: dict[str, int]
    """How many processes of each module of loadtests/services."""
    gateway_command: list[str]
    """How the gateway is started; a test build is started by another program."""
    settings: dict[str, object]
    """Sections of the gateway's settings, over those of the stand."""

    @property
    def edge(self) -> Address:
        """Where clients come in."""
        return Address("127.0.0.1", self.edge_port)

    @property
    def settings_file(self) -> Path:
        """The gateway's settings."""
        return self.folder / "gateway.yaml"

    @property
    def certificates(self) -> Path:
        """The folder of the edge's certificate."""
        return self.folder / "certificates"

    def instances(self) -> list[tuple[str, str]]:
        """Each process of a service: its module, and its name."""
        return [
            (module, f"{module}-{number}") for module, count in self.services.items() for number in range(1, count + 1)
        ]


def make_layout(
    folder: Path,
    *,
    workers: int,
    services: dict[str, int],
    with_tls: bool = False,
    gateway_command: list[str] | None = None,
    settings: dict[str, object] | None = None,
) -> Layout:
    """Return a layout on free ports."""
    edge, listening, admin, tls = free_ports(4)
    return Layout(
        folder=folder,
        edge_port=edge,
        services_port=listening,
        admin_port=admin,
        tls_port=tls if with_tls else 0,
        workers=workers,
        services=services,
        gateway_command=gateway_command or GATEWAY,
        settings=settings or {},
    )


def gateway_settings(layout: Layout, note: str = "") -> str:
    """Return the text of the gateway's settings. note: a comment, so that a reload finds another text."""
    calls = [{"from": caller, "to": "steady"} for caller in CALLERS]
    sections: dict[str, object] = {
        "workers": layout.workers,
        "edge": {"listen": f"127.0.0.1:{layout.edge_port}", "reason_header": True},
        "services": {"listen": f"127.0.0.1:{layout.services_port}", "calls": calls},
        "admin": {"listen": f"127.0.0.1:{layout.admin_port}"},
        "log": {"format": "json"},
        "drain": {"timeout": f"{DRAIN_S:g}s", "spread": "1s"},
    }
    if layout.tls_port:
        pair = f"{layout.certificates / 'localhost.pem'}:{layout.certificates / 'localhost.key'}"
        edge = sections["edge"]
        assert isinstance(edge, dict)  # noqa: S101 - it stands above
        edge |= {
            "tls_listen": f"127.0.0.1:{layout.tls_port}",
            "tls_certificates": [pair],
            "tls_reload_interval": "500ms",
        }
    for name, section in layout.settings.items():
        before = sections.get(name)
        sections[name] = {**before, **section} if isinstance(before, dict) and isinstance(section, dict) else section
    return f"# {note}\n" * bool(note) + yaml.safe_dump(sections, sort_keys=False)


def service_command(module: str) -> list[str]:
    """Return how a service is started."""
    return [sys.executable, "-m", f"loadtests.services.{module}"]


def service_environment(layout: Layout, instance: str) -> dict[str, str]:
    """Return what a service is told."""
    return {
        "PENSTOCK_GATEWAYS": f"tcp://127.0.0.1:{layout.services_port}",
        "PENSTOCK_INSTANCE": instance,
        "PENSTOCK_SERVICE_DRAIN": "2s",
        "PENSTOCK_LOG_FORMAT": "json",
    }
