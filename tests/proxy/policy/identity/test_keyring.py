"""The keys of one source over time: how often it is asked, and what is used while it is down."""

import logging

import pytest
import trio
from identity_lab import (
    KEYS_UNAVAILABLE,
    Bench,
    FakeSource,
    Signer,
    jwks,
    rendered,
    signer,
    unauthenticated,
)

from proxy.policy.identity.document import parse_keys
from proxy.policy.identity.keyring import Keyring, Times
from proxy.request.route_policy import OPEN
from proxy.request.stage import Await, Result

OLD, NEW = signer("EdDSA", "old"), signer("EdDSA", "new")
TIMES = Times(interval_s=30, renew_s=600, timeout_s=5)


class Issuing:
    """A bench over a source, with its keyring running."""

    def __init__(self, nursery: trio.Nursery, document: bytes | str, *, known: bool = False) -> None:
        self.source = FakeSource(document)
        keys = parse_keys(jwks(OLD)) if known else None
        self.keyring = Keyring(self.source, TIMES, keys, on_change=self._forget, clock=trio.current_time)
        self.bench = Bench(keyring=self.keyring, algorithms=("EdDSA",))
        self.bench.callers._clock = trio.current_time
        nursery.start_soon(self.keyring.run)

    def _forget(self, is_less: bool) -> None:
        self.bench.callers.forget(is_all=is_less)

    async def ask(self, signer: Signer) -> Result:
        """The answer, after what must be waited for: the stage is asked once more, and may not wait again."""
        answer = self.bench.answer(token=signer.token())
        if isinstance(answer, Await):
            await answer.wait()
            answer = self.bench.answer(token=signer.token())
            assert not isinstance(answer, Await)
        return answer


async def test_keys_are_fetched_at_once_and_requests_wait_for_them(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    issuing = Issuing(nursery, jwks(OLD))
    issuing.source.delay_s = 2
    await trio.testing.wait_all_tasks_blocked()
    assert await issuing.ask(OLD) is None
    assert trio.current_time() == pytest.approx(2, abs=0.1)
    assert issuing.source.reads == 1


async def test_however_many_wait_there_is_one_fetch(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    issuing = Issuing(nursery, jwks(OLD), known=True)
    issuing.source.document = jwks(OLD, NEW)
    issuing.source.delay_s = 1
    await trio.sleep(31)
    answers: list[Result] = []

    async def ask() -> None:
        answers.append(await issuing.ask(NEW))

    async with trio.open_nursery() as asking:
        for _ in range(50):
            asking.start_soon(ask)
    assert answers == [None] * 50
    assert issuing.source.reads == 1


async def test_who_goes_away_takes_no_fetch_with_it(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    issuing = Issuing(nursery, jwks(NEW), known=True)
    issuing.source.delay_s = 4
    await trio.sleep(31)
    with trio.move_on_after(1):
        await issuing.ask(NEW)
    assert await issuing.ask(NEW) is None
    assert issuing.source.reads == 1


async def test_unknown_keys_cause_one_fetch_in_an_interval(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    issuing = Issuing(nursery, jwks(OLD))
    await trio.testing.wait_all_tasks_blocked()
    for second in range(100):
        answer = issuing.bench.answer(token=OLD.token(kid=f"k{second}"))
        if isinstance(answer, Await):
            await answer.wait()
            answer = issuing.bench.answer(token=OLD.token(kid=f"k{second}"))
        assert rendered(answer) == unauthenticated()
        await trio.sleep(1)
    assert issuing.source.reads == 4, "at 0, 30, 60 and 90 s"


async def test_where_anybody_may_ask_nobody_waits_but_keys_are_fetched(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    issuing = Issuing(nursery, jwks(NEW), known=True)
    await trio.sleep(31)
    answer, exchange, _ = issuing.bench.ask(OPEN, token=NEW.token())
    assert answer is None
    assert exchange.caller is not None
    assert exchange.caller.identity is None
    await trio.testing.wait_all_tasks_blocked()
    assert issuing.source.reads == 1
    _, exchange, _ = issuing.bench.ask(OPEN, token=NEW.token())
    assert exchange.caller is not None
    assert exchange.caller.identity is not None, "nothing was remembered while it could not be said"


async def test_an_outage_without_keys_is_not_the_clients_fault(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    issuing = Issuing(nursery, "it answers 500")
    await trio.testing.wait_all_tasks_blocked()
    assert rendered(await issuing.ask(OLD)) == KEYS_UNAVAILABLE
    assert rendered(issuing.bench.answer(token=b"bad")) == unauthenticated(), "what is no token needs no keys"
    assert issuing.bench.answer(OPEN, token=OLD.token()) is None
    issuing.source.document = jwks(OLD)
    assert rendered(await issuing.ask(OLD)) == KEYS_UNAVAILABLE, "not asked again so soon"
    await trio.sleep(31)
    assert await issuing.ask(OLD) is None
    assert issuing.bench.callers.keys_missing == 2


async def test_stale_keys_are_used_while_the_source_is_down(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    issuing = Issuing(nursery, jwks(OLD))
    await trio.testing.wait_all_tasks_blocked()
    issuing.source.document = "it answers 503"
    await trio.sleep(3_600)
    assert await issuing.ask(OLD) is None
    assert rendered(await issuing.ask(NEW)) == KEYS_UNAVAILABLE, "it may be good: nobody can say"
    found = issuing.keyring.statistics()
    assert (found.keys, found.is_stale) == (1, True)
    assert found.age_s == pytest.approx(3_600, abs=1)
    assert found.failures > 50
    told = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert 1 < len(told) < 10, "told now and then"
    assert told[0] == ("no new keys from https://login.example/jwks: it answers 503; those of 600 s ago stay in use")
    issuing.source.document = jwks(OLD)
    await trio.sleep(31)
    assert not issuing.keyring.statistics().is_stale


@pytest.mark.parametrize("document", [b"", b"<html>", b'{"keys":[]}', b'{"keys":[{"kty":"oct","k":""}]}'])
async def test_garbage_is_as_if_the_source_were_down(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, document: bytes
) -> None:
    issuing = Issuing(nursery, jwks(OLD))
    await trio.testing.wait_all_tasks_blocked()
    issuing.source.document = document
    await trio.sleep(700)
    assert await issuing.ask(OLD) is None
    assert issuing.keyring.statistics().failures >= 1


async def test_a_key_that_was_taken_back_is_not_believed_any_more(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    issuing = Issuing(nursery, jwks(OLD, NEW))
    await trio.testing.wait_all_tasks_blocked()
    assert await issuing.ask(OLD) is None
    issuing.source.document = jwks(NEW)
    await trio.sleep(601)
    assert rendered(await issuing.ask(OLD)) == unauthenticated()
    assert await issuing.ask(NEW) is None


async def test_a_new_key_costs_nobody_his_place(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    issuing = Issuing(nursery, jwks(OLD))
    await trio.testing.wait_all_tasks_blocked()
    assert await issuing.ask(OLD) is None
    issuing.source.document = jwks(NEW, OLD)
    await trio.sleep(601)
    assert len(issuing.bench.callers.known) == 1
    assert await issuing.ask(NEW) is None


async def test_when_it_is_closed_nobody_waits_for_it(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    issuing = Issuing(nursery, jwks(OLD))
    issuing.source.delay_s = 1_000
    await trio.testing.wait_all_tasks_blocked()
    waiting = issuing.bench.answer(token=OLD.token())
    assert isinstance(waiting, Await)
    nursery.start_soon(waiting.wait)
    await trio.testing.wait_all_tasks_blocked()
    issuing.keyring.close()
    await trio.testing.wait_all_tasks_blocked()
    assert rendered(issuing.bench.answer(token=OLD.token())) == KEYS_UNAVAILABLE
    assert trio.current_time() < 1


async def test_a_fault_in_a_source_takes_nothing_with_it(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    issuing = Issuing(nursery, jwks(OLD))
    await trio.testing.wait_all_tasks_blocked()
    issuing.source.document = 7  # type: ignore[assignment]
    await trio.sleep(700)
    assert await issuing.ask(OLD) is None
    assert issuing.keyring.statistics().is_stale
    assert "fetching keys from https://login.example/jwks failed" in caplog.text
