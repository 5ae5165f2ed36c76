"""What is in deploy/ for service managers and containers, as far as it can be judged without them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.config import gateway_registry, load_gateway

ROOT = Path(__file__).parents[2]
SYSTEMD = ROOT / "deploy" / "systemd"
CONTAINER = ROOT / "deploy" / "container"


@pytest.mark.parametrize("name", ["penstock.service", "penstock.socket"])
def test_systemd_finds_nothing_wrong(tmp_path: Path, name: str) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for unit in SYSTEMD.iterdir():
        text = unit.read_text().replace("/opt/penstock/bin/penstock", sys.executable)
        (tmp_path / unit.name).write_text(
            "".join(line for line in text.splitlines(True) if "Documentation" not in line)
        )
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    said = [line for line in ran.stderr.splitlines() if str(tmp_path) in line or name in line]
    assert said == []


def test_what_the_units_name_is_there() -> None:
    service, sockets = ((SYSTEMD / f"penstock.{kind}").read_text() for kind in ("service", "socket"))
    variables = set(re.findall(r"PENSTOCK_\w+", service))
    assert variables
    assert variables <= set(gateway_registry().variables())
    assert re.findall(r"FileDescriptorName=(\S+)", sockets) == ["edge"]
    stop_s = int(re.findall(r"TimeoutStopSec=(\d+)s", service)[0])
    assert stop_s > load_gateway({}).settings.drain.timeout_ms / 1000


def test_what_the_container_file_copies_is_there() -> None:
    text = (CONTAINER / "Containerfile").read_text()
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)]
    assert len(copied) == 4
    assert [name for names in copied for name in names if not (ROOT / name).exists()] == []
    config = load_gateway({}, path=CONTAINER / "penstock.yaml").settings
    assert (config.edge.listen.host, config.log.format) == ("0.0.0.0", "json")  # noqa: S104 - it is read, not bound
