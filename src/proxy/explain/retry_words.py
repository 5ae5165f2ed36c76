"""Whether a request would be sent again, in words: `penstock explain`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from penstock.settings.types import Duration
from proxy.attempts.profiles import Plan
from proxy.explain.told import Line

if TYPE_CHECKING:
    from proxy.explain.words import View

_MS: Final = Duration("ms")


def retries(view: "View") -> Iterator[Line]:
    """Tell how often, after what, and what bounds it."""
    route, config, origins = view.exchange.route, view.config.retries, view.origins
    plan: Plan | None = route.plan
    by_rule = origins.policy(route, "retries")
    if plan is None or plan.is_none:
        yield Line("retries: none", by_rule)
        return
    profile = plan.profile
    yield Line(f"retries: {profile.name}, up to {profile.attempts} attempts: {_after(plan)}", by_rule)
    if plan.attempt_ms:
        yield Line(f"after {_MS.render(plan.attempt_ms)} without an answer, another attempt takes its place", by_rule)
    longest = origins.shown("retries.buffer_bytes", config.buffer_bytes)
    yield Line(f"kept for that up to {longest}, head and body", origins.setting("retries.buffer_bytes"))
    part = origins.shown("retries.budget", config.budget)
    yield Line(
        f"at most {part} of the service's requests, and {config.budget_floor} a second more",
        origins.setting("retries.budget"),
    )


def _after(plan: Plan) -> str:
    """Return what is followed by another attempt."""
    statuses = ", ".join(map(str, sorted(plan.profile.statuses)))
    answered = f", and after {statuses}" if statuses else ""
    if plan.repeats:
        return f"whenever it fails{answered}"
    if plan.repeats_with_key:
        return f"only what no service has started; with an Idempotency-Key whenever it fails{answered}"
    return "only what no service has started"
