"""What must hold in a simulated world: at any time, and when all has ended."""

from typing import TYPE_CHECKING, Any

from records import BrokenInvariant, must

from proxy.gateway.app import Gateway

if TYPE_CHECKING:
    from world import World


def check_always(world: "World") -> None:
    """Look at what must hold at any moment."""
    gateway = world.gateway
    if world.errors.lines:
        raise BrokenInvariant("an error is in the log:\n" + "\n".join(world.errors.lines))
    must(gateway.bytes_in_flight.held >= 0, "fewer than no bytes are held")
    if "attempt_budgets" in gateway.__dict__:
        for service in gateway.attempt_budgets:
            must(gateway.attempt_budgets.left(service) >= 0, f"the budget of {service} is below zero")


def check_counts(world: "World") -> None:
    """Look at what the wire counts: there is no exchange without somebody who has asked."""
    counters = world.wire.counters()
    asking = sum(client.asking is not None for client in world.clients)
    calls = len(world.gateway.own.takers)
    now, kept = counters["exchanges_now"], counters["kept_now"]
    must(now <= asking + calls, f"{now} exchanges are under way for {asking} requests and {calls} of the gateway's")
    must(kept <= now, f"{kept} requests are kept of {now}")
    most = max(world.wire.route_in_flight)
    must(most <= world.route_limit, f"{most} requests are with one route, and {world.route_limit} may be")


def check_attempts(world: "World") -> None:
    """Requests are sent again no more often than the budget lets them."""
    first, more = world.attempts
    retries = world.retries
    seconds = (world.clock.now_ms - world.began_ms + retries.budget_window_ms) / 1_000
    most = first * retries.budget / 100 + retries.budget_floor * (seconds + 1) + 1
    must(more <= most, f"{more} attempts beyond the first were made for {first} requests; {most:.1f} may be")


def left_of(gateway: Gateway) -> dict[str, int]:
    """Return what is left of exchanges: nothing may be, once all have ended and everybody has gone."""
    counters = gateway.wire.counters()
    names = ("exchanges_now", "buffers_now", "handed_over_now", "kept_now", "kept_bytes_now", "edge_open_now")
    counts: dict[str, Any] = {name: counters[name] for name in (*names, "framed_open_now")}
    counts["in flight"] = sum(gateway.wire.in_flight)
    counts["of routes in flight"] = sum(gateway.wire.route_in_flight)
    counts["of services in flight"] = sum(gateway.wire.group_in_flight)
    counts["carried by tasks"] = gateway.tasks.in_progress
    counts["bytes held"] = gateway.bytes_in_flight.held
    counts["takers"] = len(gateway.own.takers)
    counts["looked at each turn"] = len(gateway.wire.on_turn)
    counts["watched for their answers"] = len(gateway.lane.endings)
    if gateway.lane.attempts_made is not None:
        counts["known of attempts"] = len(gateway.lane.attempts_made)  # type: ignore[arg-type]
    if "parking" in gateway.__dict__:
        counts["parked"] = len(gateway.parking)
    return {name: count for name, count in counts.items() if count}
