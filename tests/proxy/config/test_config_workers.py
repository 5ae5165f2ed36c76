"""Settings of workers: how many, and what does not go with what."""

import os
from pathlib import Path

import pytest

from penstock.settings import SettingsError
from proxy.config import load_gateway
from proxy.config.workers import AUTO, cores, worker_count, workers_of


def load(**settings: str) -> int:
    return load_gateway({f"PENSTOCK_{name.upper()}": value for name, value in settings.items()}).settings.workers


def test_how_many() -> None:
    assert load() == AUTO
    assert load(workers="0") == 0
    assert load(workers="256") == 256
    assert worker_count(load(workers="3")) == 3
    assert worker_count(AUTO) == cores()


@pytest.mark.parametrize("text", ["-1", "257", "1000", "two", "1.5", "²"])
def test_what_is_no_number_of_workers(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(workers=text)
    assert str(caught.value) == (
        f"bad_value: workers = {text} (PENSTOCK_WORKERS): {text!r} is no number of workers; "
        "write auto, 0 for a single process, or how many, up to 256"
    )


@pytest.mark.parametrize(
    ("text", "count"),
    [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1), ("nonsense", None), ("1 0", None)],
)
def test_cores_by_quota(tmp_path: Path, text: str, count: int | None) -> None:
    quota = tmp_path / "cpu.max"
    quota.write_text(text)
    assert cores(quota) == (len(os.sched_getaffinity(0)) if count is None else count)


def test_cores_without_a_control_group(tmp_path: Path) -> None:
    assert cores(tmp_path / "cpu.max") == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"services_worker_listen": "0.0.0.0:7500"},
            "0.0.0.0:7500 can be reached from other machines, any of which could register as a service",
        ),
        (
            {"workers": "4", "services_worker_listen": "127.0.0.1:65533"},
            "4 workers would need the ports 65533 to 65536, and 65535 is the last; set a lower port",
        ),
        (
            {"workers": "4", "services_worker_listen": "127.0.0.1:9898"},
            "the workers would listen on the ports 9898 to 9901, with 127.0.0.1:9901; set a port further away",
        ),
    ],
)
def test_ports_of_workers(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(**settings)
    (problem,) = caught.value.problems
    assert problem.code == "conflict"
    assert said in str(problem)


def test_ports_that_go_together() -> None:
    assert load(workers="4", services_worker_listen="127.0.0.1:9897") == 4
    assert load(workers="4", services_worker_listen="127.0.0.1:0") == 4


KEYS = "[{name: pay, service: billing, path: /payments, methods: [POST], idempotency: {ttl: 1h}}]"


def test_there_is_one_worker_where_answers_to_keys_are_kept() -> None:
    assert workers_of(load_gateway({}).settings) == cores()
    assert workers_of(load_gateway({"PENSTOCK_RULES": KEYS}).settings) == 1
    assert workers_of(load_gateway({"PENSTOCK_RULES": KEYS.replace("1h", "0s")}).settings) == cores()
    assert [workers_of(load_gateway({"PENSTOCK_RULES": KEYS, "PENSTOCK_WORKERS": text}).settings) for text in "01"] == [
        0,
        1,
    ]


def test_several_workers_and_answers_to_keys_do_not_go_together() -> None:
    with pytest.raises(SettingsError) as caught:
        load(workers="2", rules=KEYS)
    assert str(caught.value) == (
        "conflict: workers (workers: PENSTOCK_WORKERS and rules: PENSTOCK_RULES): a rule keeps answers to"
        " Idempotency-Keys, and each worker knows its own alone: a request that is sent again may come to another one,"
        " and be carried out twice; set workers to auto, 1 or 0, or leave idempotency out"
    )
