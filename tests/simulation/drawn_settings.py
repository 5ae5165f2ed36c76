"""The configuration of a run, drawn."""

import random
from typing import Final

PROFILES: Final = "{hasty: {attempts: 3, attempt_timeout: 60ms}, hedged: {attempts: 2, hedge: 10%}}"
RETRIES: Final = ("", "retries: none", "retries: read", "retries: hasty", "retries: hedged")
ROUTE_OF_TWO: Final = "concurrency: {route: 2}"
LIMITS: Final = ("", "", ROUTE_OF_TWO, "concurrency: {service: 3}", "concurrency: {service: adaptive}")
CACHES: Final = ("", "", "cache: {ttl: 300ms, stale: 500ms}")
KEYS: Final = ("", "", "idempotency: {}")
POLICIES: Final = ("", "", "", "two_choices", "least_loaded", "round_robin")
FAULTS: Final = (
    *("", "", "", "", "", ""),
    "{delay: 200ms, percent: 30}, {abort: 503, percent: 5}",
    "{delay: 50ms, jitter: 900ms}",
    "{cut: 0B, percent: 10}, {cut: 60B, percent: 10}",
    "{slow: 10MiB, percent: 50}, {delay: 20ms, percent: 50}",
)
FANOUTS: Final = (
    "{combine: merge, legs: [{service: things, instances: all, path: '/things/{name}'}]}",
    "{combine: first, leg_timeout: 200ms, legs: [{service: things, instances: 2, path: '/things/{name}'}]}",
    "{combine: quorum, quorum: 2, at_once: 1, legs: [{service: things, instances: all, path: '/things/{name}'}]}",
    "{combine: all, cancel_on_failure: true, cache: 1s,"
    " legs: [{service: things, instances: all, path: '/things/{name}'}]}",
)


def draw_settings(draw: random.Random) -> dict[str, str]:
    """Draw what holds for a whole run."""
    settings = {
        "identity_undeclared": "public",
        "edge_deadline": f"{draw.choice((400, 1_500, 4_000))}ms",
        "edge_head_timeout": "2s",
        "edge_body_rate": "1MiB",
        "wire_linger": "0us",
        "retries_budget_floor": draw.choice(("0", "1", "10")),
        "retries_profiles": PROFILES,
        "faults_enabled": "true",
        "fanouts": f"[{{name: all, path: '/all/{{name}}', {draw.choice(FANOUTS)[1:]}]",
    }
    return settings | draw_rules(draw)


def draw_rules(draw: random.Random) -> dict[str, str]:
    """Draw what may be another after a reload."""
    parts = [draw.choice(choices) for choices in (RETRIES, LIMITS, CACHES, KEYS)]
    policy, faults = draw.choice(POLICIES), draw.choice(FAULTS)
    parts += [f"balance: {{policy: {policy}}}"] if policy else []
    parts += [f"faults: [{faults}]"] if faults else []
    said = ", ".join(part for part in parts if part)
    return {"rules": f"[{{service: things, {said}}}]" if said else ""}
