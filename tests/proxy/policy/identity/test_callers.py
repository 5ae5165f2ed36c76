"""What is remembered of callers, for how long, and how much of it."""

from collections.abc import Callable

import pytest
from identity_lab import NOW_S, Bench, rendered, signer, unauthenticated

from proxy.policy.identity.cache import Generations
from proxy.policy.identity.callers import STRANGER_S, STRANGERS_MAX, Callers
from proxy.policy.identity.causes import Cause
from proxy.policy.identity.issuer import Proof
from proxy.policy.identity.verify import Verifier
from proxy.request.route_policy import OPEN

RSA = signer("RS256")


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes | None]:
    """The tokens that were verified."""
    seen: list[bytes | None] = []
    prove = Verifier.prove

    def counted(self: Verifier, bearer: bytes | None, api_key: bytes | None, now_s: float) -> Proof | None:
        seen.append(bearer)
        return prove(self, bearer, api_key, now_s)

    monkeypatch.setattr(Verifier, "prove", counted)
    return seen


def test_a_token_is_verified_once_whatever_tenants_are_named(verified: list[bytes | None]) -> None:
    bench = Bench(RSA)
    for number in range(200):
        assert bench.answer(token=RSA.token(), tenant=b"t%d" % (number % 20)) is None
    assert len(verified) == 1


def test_tenants_without_number_displace_no_proof(verified: list[bytes | None]) -> None:
    bench = Bench(RSA, count_max=10)
    for number in range(200):
        assert bench.answer(token=RSA.token(), tenant=b"t%d" % number) is None
    assert len(verified) == 1
    assert len(bench.callers.known) <= 10


def test_bad_tokens_displace_nobody_who_is_known(verified: list[bytes | None]) -> None:
    bench = Bench(RSA, count_max=10)
    assert bench.answer(token=RSA.token()) is None
    for number in range(3 * STRANGERS_MAX):
        bench.answer(token=b"bad%d" % number)
    verified.clear()
    assert bench.answer(token=RSA.token()) is None
    assert verified == []
    assert repr(bench.callers) == f"<Callers 1 known, {STRANGERS_MAX} strangers>"


def test_the_same_bad_token_is_verified_once_in_a_while(verified: list[bytes | None]) -> None:
    bench = Bench(RSA)
    bad = RSA.token()[:-8] + b"AAAAAAAA"
    for _ in range(10):
        assert rendered(bench.answer(token=bad)) == unauthenticated()
    assert len(verified) == bench.callers.refused[Cause.SIGNATURE] == 1
    bench.steady_s = STRANGER_S
    assert rendered(bench.answer(token=bad)) == unauthenticated()
    assert len(verified) == 2


def test_a_token_that_becomes_valid_is_not_held_against_its_past() -> None:
    bench = Bench(RSA)
    token = RSA.token({"nbf": NOW_S + 31})
    assert rendered(bench.answer(token=token)) == unauthenticated()
    bench.now_s += 1
    assert bench.answer(token=token) is None


@pytest.mark.parametrize("skew_s", [29.9, 30])
def test_it_ends_with_the_token_and_its_skew(skew_s: float) -> None:
    bench = Bench(RSA)
    token = RSA.token({"exp": NOW_S + 100})
    assert bench.answer(token=token) is None
    bench.now_s += 100 + skew_s
    answer = bench.answer(token=token)
    assert answer is None if skew_s < 30 else rendered(answer) == unauthenticated()
    assert len(bench.callers.known) == (1 if skew_s < 30 else 0)


def test_clock_jumps() -> None:
    """Forward: it is over. Back again: it is verified anew. What was refused is forgotten by another clock."""
    bench = Bench(RSA)
    token = RSA.token({"exp": NOW_S + 100, "nbf": NOW_S})
    assert bench.answer(token=token) is None
    bench.now_s += 10_000
    assert rendered(bench.answer(token=token)) == unauthenticated()
    bench.now_s -= 10_000
    bench.steady_s += STRANGER_S
    assert bench.answer(token=token) is None
    bench.now_s -= 10_000
    assert bench.answer(token=token) is None, "it was found good, and is not over"


def test_when_keys_are_gone_nobody_is_believed_any_more() -> None:
    bench = Bench(RSA)
    bad = RSA.token()[:-8] + b"AAAAAAAA"
    assert bench.answer(token=RSA.token()) is None
    bench.answer(token=bad)
    bench.callers.forget(is_all=False)
    assert repr(bench.callers) == "<Callers 1 known, 0 strangers>"
    bench.callers.forget(is_all=True)
    assert repr(bench.callers) == "<Callers 0 known, 0 strangers>"
    assert bench.answer(token=RSA.token()) is None


def test_a_caller_that_is_public_on_one_route_is_refused_on_the_next() -> None:
    bench = Bench(RSA)
    for _ in range(2):
        assert bench.answer(OPEN, token=b"bad") is None
        assert rendered(bench.answer(token=b"bad")) == unauthenticated()


def test_other_settings_hold_at_once() -> None:
    bench = Bench(RSA)
    assert bench.answer(token=RSA.token()) is None
    strict = Bench(signer("ES256"))
    bench.callers.change(strict.verifier, count_max=4, forwards_credentials=True)
    assert rendered(bench.answer(token=RSA.token())) == unauthenticated()
    assert bench.answer(token=signer("ES256").token()) is None


# ---- generations ----


def test_what_is_asked_for_stays_and_the_rest_goes() -> None:
    kept = Generations[int](10)
    kept.put(b"wanted", -1)
    for number in range(100):
        kept.put(b"%d" % number, number)
        assert kept.get(b"wanted") == -1
        assert len(kept) <= 10
    assert kept.get(b"0") is None
    assert kept.get(b"99") == 99


@pytest.mark.parametrize("count_max", [2, 3, 10, 11])
def test_never_more_than_may_be(count_max: int) -> None:
    kept = Generations[int](count_max)
    for number in range(50):
        kept.put(b"%d" % (number % 17), number)
        kept.get(b"%d" % (number % 5))
        assert len(kept) <= count_max


def test_putting_again_replaces() -> None:
    kept = Generations[int](4)
    kept.put(b"a", 1)
    kept.put(b"a", 2)
    assert (kept.get(b"a"), len(kept)) == (2, 1)
    kept.put(b"b", 3)
    kept.put(b"c", 4)
    kept.put(b"a", 5)
    assert (kept.get(b"a"), kept.get(b"b"), kept.get(b"c")) == (5, 3, 4)
    kept.drop(b"a")
    kept.drop(b"never")
    assert kept.get(b"a") is None
    kept.clear()
    assert len(kept) == 0


def test_nothing_that_was_sent_is_shown() -> None:
    """A token and a key in every place where they can be."""
    token, key = RSA.token(), b"psk_0123456789abcdefghijklmnop"
    bench = Bench(RSA)
    _, exchange, _ = bench.ask(token=token, tenant=b"acme")
    bench.ask(OPEN, token=token + b"x", x_api_key=key)
    shown: list[Callable[[], object]] = [
        lambda: bench.callers,
        lambda: bench.callers.known,
        lambda: bench.callers.__dict__["_proofs"],
        lambda: exchange,
        lambda: exchange.caller,
        lambda: bench.keyring,
        lambda: bench.keyring.keys,
        lambda: bench.verifier,
    ]
    text = "".join(repr(show()) for show in shown)
    for secret in (token.decode(), *token.decode().split("."), key.decode()):
        assert secret not in text
    assert isinstance(bench.callers, Callers)
