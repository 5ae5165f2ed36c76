"""Settings of retries: profiles, what is wrong with them, and what a rule makes of them."""

from pathlib import Path

import pytest

from penstock.settings import SettingsError
from proxy.attempts.profiles import BUILT_IN, Profile, Repeats
from proxy.config import load_gateway
from proxy.config.retry_profiles import make_profiles
from proxy.config.rules import make_rules
from proxy.gateway.resending import budget_terms

YAML = """\
retries:
  budget: 10%
  budget_floor: 5
  budget_window: 20s
  buffer_bytes: 8KiB
  buffer_total_bytes: 1MiB
  profiles:
    patient:
      attempts: 5
      statuses: [429, 503]
      backoff: 50ms
      backoff_max: 2s
      attempt_timeout: 1s
      elsewhere: false
      repeats: declared
    plain: {}
rules:
  - {path: /reports, retries: patient, stream_idle_timeout: 10s}
  - {path: /payments, retries: none}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "p.yaml"
    path.write_text(text)
    return path


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_gateway({}, path=write(tmp_path, text))
    return [str(problem).replace(f"{tmp_path}/", "") for problem in caught.value.problems]


def test_all_of_it(tmp_path: Path) -> None:
    config = load_gateway({}, path=write(tmp_path, YAML)).settings
    terms = budget_terms(config)
    assert (terms.percent, terms.floor, terms.window_s) == (10.0, 5, 20.0)
    assert (config.retries.buffer_bytes, config.retries.buffer_total_bytes) == (8_192, 1_048_576)
    profiles = make_profiles(config.retries.profiles)
    assert set(profiles) == {*BUILT_IN, "patient", "plain"}
    assert profiles["plain"] == Profile(name="plain")
    assert profiles["patient"] == Profile(
        name="patient",
        attempts=5,
        statuses=frozenset((429, 503)),
        backoff_ms=50,
        backoff_max_ms=2_000,
        attempt_ms=1_000,
        elsewhere=False,
        repeats=Repeats.DECLARED,
    )
    patient, none = make_rules(config.rules)
    assert (patient.retries, patient.stream_idle_ms, none.retries) == ("patient", 10_000, "none")


def test_defaults() -> None:
    retries = load_gateway({}).settings.retries
    assert (retries.budget, retries.budget_floor, retries.budget_window_ms) == (20.0, 10, 10_000)
    assert (retries.buffer_bytes, retries.profiles) == (65_536, {})


WRONG = [
    (
        "rules: [{retries: reed}]",
        "unknown_profile: rules[0].retries (p.yaml:1): there is no profile 'reed'; did you mean read?",
    ),
    (
        "rules: [{retries: x}]",
        "unknown_profile: rules[0].retries (p.yaml:1): there is no profile 'x'; write one of read, mutation, none",
    ),
    (
        "retries: {profiles: {read: {}}}",
        "duplicate: retries.profiles.read (p.yaml:1): 'read' is always there, and means the same everywhere;"
        " give yours another name",
    ),
    (
        "retries: {profiles: {a: {statuses: [404]}}}",
        "bad_value: retries.profiles.a.statuses[0] = 404 (p.yaml:1): 404 is an answer that is final;"
        " write 429 or 500 to 599",
    ),
    (
        "retries: {profiles: {a: {backoff: 2s, backoff_max: 1s}}}",
        "bad_value: retries.profiles.a.backoff (p.yaml:1): the first wait may be longer than the longest;"
        " raise backoff_max, or lower backoff",
    ),
    (
        "retries: {profiles: {a: {hedge: 60%}}}",
        "bad_value: retries.profiles.a.hedge (p.yaml:1): 60% of the requests are not the slow ones: they would be sent"
        " twice; write 50% at most, like 5%",
    ),
    (
        "retries: {profiles: {a: {hedge: 5%, attempts: 1}}}",
        "bad_value: retries.profiles.a.hedge (p.yaml:1): a hedge is a second attempt; raise attempts, or leave hedge"
        " out",
    ),
    (
        "retries: {buffer_bytes: 512KiB, buffer_total_bytes: 128KiB}",
        "conflict: retries.buffer_bytes (retries.buffer_bytes: p.yaml:1 and retries.buffer_total_bytes: p.yaml:1):"
        " 512KiB is more than retries.buffer_total_bytes, 128KiB: no request of that length is kept; lower it, or"
        " raise retries.buffer_total_bytes",
    ),
    ("retries: {profiles: {a: {attempts: 11}}}", "write a value of 1 to 10"),
    ("retries: {profiles: {a: {repeats: always}}}", "write safe, declared or keyed"),
    ("retries: {profiles: {A: {}}}", "1 to 64 of a-z 0-9 _ -, beginning with a letter"),
    ("retries: {budget: 101%}", "write a number from 0 to 100, like 10%"),
    ("rules: [{stream_idle_timeout: 1ms}]", "10ms"),
]


@pytest.mark.parametrize(("text", "told"), WRONG, ids=[text for text, _ in WRONG])
def test_what_is_wrong_is_told_with_its_place_and_its_fix(tmp_path: Path, text: str, told: str) -> None:
    (problem,) = problems(tmp_path, text)
    assert told in problem
