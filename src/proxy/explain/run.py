"""Runs the stages over an imagined request, and puts together what they have decided."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

import trio
from msgspec.structs import replace

from frames.frame import Method
from frames.scanned_head import scan_head
from penstock.telemetry.logs import without_secrets
from proxy.errors import NO_INSTANCE, SHARD_MISSING, Reason, reason_of_verdict
from proxy.explain.apart import PeekingLimiter, identities_of, parts_of
from proxy.explain.fixes import fix_of
from proxy.explain.imagined import Imagined
from proxy.explain.instances import instances_of
from proxy.explain.origins import Origins
from proxy.explain.question import Question
from proxy.explain.told import Explanation, Step
from proxy.explain.words import WORDS, Told, View, version_of
from proxy.explain.words import version as version_words
from proxy.gateway.bounds import wire_settings
from proxy.gateway.pipeline import Pipeline, make_pipeline
from proxy.request.exchange import Exchange
from proxy.request.stage import Answer, Await, Lane, Reply, Result, Stage, stages_of
from proxy.route.table import Route

if TYPE_CHECKING:
    from proxy.gateway.app import Gateway

KEYS_S: Final = 5.0
"""How long keys of an issuer are waited for."""
_CHOOSE_AMONG_VERSIONS: Final = ("split", "placement", "instance")
_NOBODY_THERE: Final = (NO_INSTANCE.code, SHARD_MISSING.code)
FLAGS: Final = 0xFF
"""Those that the express lane is told; the others come with the head."""


async def explain(gateway: "Gateway", question: Question, of_settings: Mapping[str, str] | None) -> Explanation:
    """Return what would become of a request now. of_settings: the origins of settings, if they are known."""
    return await _Run(gateway, question, Origins(of_settings)).explain()


class _Run:
    """One explanation."""

    def __init__(self, gateway: "Gateway", question: Question, origins: Origins) -> None:
        configured, snapshot = gateway.configured, gateway.lane.snapshot
        self._gateway = gateway
        self._question = question
        self._scanned = scan_head(question.head(), wire_settings(configured.config))
        imagined = Imagined(question, self._scanned, gateway.wire.in_flight, gateway.wire.latency_us)
        limiter, callers = PeekingLimiter(configured.rates.limiter), configured.identities.callers.apart()
        parts = parts_of(configured, imagined, identities_of(question, callers), limiter)
        self._pipeline: Pipeline = make_pipeline(configured.config, parts)
        self._pipeline.balancing.plans_of = lambda _: {}
        self._exchange = Exchange(imagined, snapshot)
        standings, balancing = limiter.standings, self._pipeline.balancing
        self._view = View(question, self._exchange, configured, origins, callers, standings, balancing)
        self._steps: list[Step] = []
        self._version = ""

    async def explain(self) -> Explanation:
        scanned, exchange = self._scanned, self._exchange
        if scanned.is_refused:
            return self._refused(Answer(reason_of_verdict(scanned.head.verdict)))
        path = scanned.head.target[: scanned.head.path_bytes]
        exchange.begin(0, scanned.method, scanned.head.flags & FLAGS, path, exchange.snapshot)
        for stage in self._pipeline.entry:
            result = await self._decide(stage)
            if result is not None:
                return self._ended(result)
        own = stages_of(self._pipeline.rest, exchange.route)
        for stage in self._pipeline.rest:
            if stage not in own:
                self._tell_left_out(WORDS[stage.__name__])
                continue
            result = await self._decide(stage)
            if result is not None:
                return self._ended(result)
        return self._explanation("sent", instance=exchange.offer.instance.name)

    async def _decide(self, stage: Stage) -> Result:
        """Run a stage, and tell what it has decided."""
        told = WORDS[stage.__name__]
        if told.name in _CHOOSE_AMONG_VERSIONS:
            self._tell_version()
        result = stage(self._exchange)
        if isinstance(result, Await):
            with trio.move_on_after(KEYS_S):
                await result.wait()
            result = stage(self._exchange)
        if isinstance(result, Lane):
            result = None  # the task lane sends it
        if result is None or told.also_refused:
            self._tell(told)
        return result

    def _tell(self, told: Told) -> None:
        lines = tuple(told.words(self._view))
        if lines:
            self._steps.append(Step(told.name, lines))

    def _tell_left_out(self, told: Told) -> None:
        """Tell what is so where a stage has nothing to say about the route."""
        if told.always:
            self._tell(told)

    def _tell_version(self) -> None:
        """Tell the version where no stage asks for it, and note which one it has become by now."""
        if not any(step.name == "version" for step in self._steps):
            self._steps.append(Step("version", tuple(version_words(self._view))))
        self._version = version_of(self._exchange) or self._version

    def _ended(self, result: Result) -> Explanation:
        if isinstance(result, Answer):
            return self._refused(result)
        assert isinstance(result, Reply)  # noqa: S101 - nothing else ends here
        location = next((value.decode("latin-1") for name, value in result.headers if name == b"location"), "")
        fields = "; ".join(f"{name.decode()}: {value.decode('latin-1')}" for name, value in result.headers)
        title = f"The client is sent to {location}." if location else "The gateway answers by itself."
        return self._explanation("answered", status=result.status, title=title, detail=fields)

    def _refused(self, answer: Answer) -> Explanation:
        reason: Reason = answer.reason
        return self._explanation(
            "refused",
            status=reason.status,
            reason=reason.code,
            title=reason.title,
            detail=answer.detail or "",
            fix=fix_of(reason),
        )

    def _explanation(self, outcome: str, **more: Any) -> Explanation:
        exchange, question = self._exchange, self._question
        told = Explanation(
            request=without_secrets(f"{question.method} {question.target}"),
            outcome=outcome,
            steps=tuple(self._steps),
            **more,
        )
        route = getattr(exchange, "route", None)
        if route is None:
            return told
        return replace(
            told,
            route=f"{Method(route.method).name} {route.template}",
            service=route.service,
            version=self._version,
            deadline_ms=exchange.deadline_ms if outcome == "sent" else None,
            instances=tuple(self._instances(outcome, told.reason)),
            notes=tuple(self._notes(route)),
        )

    def _instances(self, outcome: str, reason: str) -> list[dict[str, Any]]:
        """Tell of instances where they matter: one was picked, or there was none to be picked."""
        if outcome != "sent" and reason not in _NOBODY_THERE:
            return []
        exchange = self._exchange
        picked = exchange.offer if outcome == "sent" else None
        candidates = () if reason == SHARD_MISSING.code else exchange.offers
        return instances_of(self._gateway, exchange.route, candidates, self._version, picked)

    def _notes(self, route: Route) -> Iterator[str]:
        policies = self._gateway.configured.terms.policies
        rules = policies.rules_of(route.service, route.method, route.template)
        beginnings = tuple(f"the rule {rule.label}: " for rule in rules)
        yield from (note for note in policies.notes if beginnings and note.startswith(beginnings))
