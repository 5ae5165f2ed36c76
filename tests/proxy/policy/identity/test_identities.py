"""Identities of a gateway: a configuration is looked at whole, swapped, and kept where the next one is bad."""

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio
from identity_lab import (
    CLAIMS,
    ISSUER,
    KEYS_UNAVAILABLE,
    NOW_S,
    SNAPSHOT,
    Signer,
    jwks,
    rendered,
    signer,
    unauthenticated,
)
from request_fields import Fields
from test_key_sources import Server, ok, serving

from frames.wire_values import HEAD_HAS_MORE
from penstock.settings import SettingsError
from penstock.settings.identity import api_keys_kind, issuers_kind
from proxy.config.identity import IdentityConfig
from proxy.policy.identity.api_keys import make_key
from proxy.policy.identity.identities import Identities
from proxy.policy.identity.prepare import check_identities, prepare_identities
from proxy.request.exchange import Exchange
from proxy.request.route_policy import RoutePolicy
from proxy.request.stage import Await, Result
from proxy.route.table import Route

OLD, NEW = signer("EdDSA", "old"), signer("EdDSA", "new")
MADE = make_key()


def login(jwks: object, **changes: Any) -> dict[str, Any]:
    """An issuer as a file has it."""
    given = {"name": "login", "issuer": ISSUER, "audience": ["penstock"], "algorithms": ["EdDSA"], "jwks": str(jwks)}
    return given | changes


def config(*issuers: Mapping[str, Any], **changes: Any) -> IdentityConfig:
    kind, keys = issuers_kind(), api_keys_kind()
    given: dict[str, Any] = {
        "undeclared": "authenticated",
        "issuers": kind.located(kind.parse(list(issuers)), lambda path: f"penstock.yaml{path}"),
        "api_keys": keys.located(keys.parse(changes.pop("api_keys", [])), lambda path: f"penstock.yaml{path}"),
        "api_keys_file": None,
        "skew_ms": 30_000,
        "refresh_ms": 30_000,
        "renew_ms": 600_000,
        "fetch_timeout_ms": 5_000,
        "cache": 100,
        "forward_credentials": False,
    }
    return IdentityConfig(**(given | changes))


def problems(*issuers: Mapping[str, Any], **changes: Any) -> list[str]:
    return [str(problem) for problem in check_identities(config(*issuers, **changes))]


def identities(*issuers: Mapping[str, Any], **changes: Any) -> Identities:
    return Identities(prepare_identities(config(*issuers, **changes)), wall_clock=lambda: NOW_S)


def ask(found: Identities, **fields: bytes) -> Result:
    """Ask a closed route. fields: ``token`` or ``x_api_key``."""
    if "token" in fields:
        fields["authorization"] = b"Bearer " + fields.pop("token")
    exchange = Exchange(Fields({name.encode().replace(b"_", b"-"): value for name, value in fields.items()}), SNAPSHOT)
    exchange.begin(7, 1, HEAD_HAS_MORE, b"/", SNAPSHOT)
    exchange.route = Route(0, 1, "/", policy=RoutePolicy())
    return found.identify(exchange) or found.authorize(exchange)


async def ask_and_wait(found: Identities, **fields: bytes) -> Result:
    answer = ask(found, **fields)
    if isinstance(answer, Await):
        with trio.fail_after(5):
            await answer.wait()
        answer = ask(found, **fields)
    return answer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "jwks.json").write_bytes(jwks(OLD))
    return tmp_path / "jwks.json"


# ---- what is looked at before anything serves ----


def test_nothing_configured_is_right_and_needs_no_library() -> None:
    code = (
        "import sys, proxy.policy.identity.identities, proxy.policy.identity.prepare;"
        "print(*{'joserfc', 'cryptography', 'urllib.request', 'yaml', 'http.client'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout.split() == []
    assert problems() == []


def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "joserfc"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "joserfc", None)
    assert problems(login(path)) == [
        "missing_package: identity.issuers (penstock.yaml(0,)): verifying tokens needs the package joserfc, which is"
        " not installed; pip install 'penstock[identity]'"
    ]
    assert problems(api_keys=[{"principal": "a", "hash": "sha256:" + "0" * 64}]) == []


@pytest.mark.parametrize(
    ("content", "code", "line", "why"),
    [
        (b"", "bad_keys", 1, "it is no JSON: Expecting value"),
        (b'{\n"keys": [\n}', "bad_keys", 3, "it is no JSON: Expecting value"),
        (b"{}", "bad_keys", 0, 'it is no JWK set: an object with a list "keys"'),
        (jwks(Signer("RS256", "weak", 1024)), "bad_keys", 1, "key 1: an RSA key has 2048 to 8192 bits here"),
        (jwks(signer("RS256")), "bad_keys", 0, "it has no key for EdDSA"),
    ],
)
def test_a_file_of_keys_that_is_wrong(path: Path, content: bytes, code: str, line: int, why: str) -> None:
    path.write_bytes(content)
    place = f"{path}:{line}" if line else f"{path}"
    assert problems(login(path)) == [
        f"{code}: identity.issuers, login: jwks ({place}, named at penstock.yaml(0, 'jwks')): {why};"
        " write a JWK set (RFC 7517) into it"
    ]
    with pytest.raises(SettingsError):
        identities(login(path))


def test_files_that_are_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    told = problems(login(missing), login("https://x.example/", name="b", jwks_ca=str(missing)), api_keys_file=missing)
    assert told == [
        f"file_unreadable: identity.issuers, login: jwks ({missing}, named at penstock.yaml(0, 'jwks')): it cannot be"
        " read: No such file or directory; write a JWK set (RFC 7517) into it",
        f"file_unreadable: identity.issuers, b: jwks_ca ({missing}, named at penstock.yaml(1, 'jwks_ca')): it holds no"
        " certificates that can be read: No such file or directory; name a PEM file",
        f"file_unreadable: identity.api_keys_file ({missing}): it cannot be read: No such file or directory; name a"
        " file that this user may read",
    ]


def test_names_and_keys_that_are_there_twice(path: Path, tmp_path: Path) -> None:
    one = {"principal": "a", "hash": MADE.hash}
    keys = tmp_path / "keys.yaml"
    keys.write_text(f"- principal: b\n  hash: {MADE.hash}\n")
    assert problems(login(path), login(path, issuer="other"), api_keys=[one], api_keys_file=keys) == [
        "conflict: identity.issuers, login (penstock.yaml(1, 'name')): another issuer has that name, at"
        " penstock.yaml(0,); name each once",
        f"conflict: identity.api_keys, b ({keys}:2): a has the same key, at penstock.yaml(0,); make a key for each, by"
        " `penstock key`",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", []),
        ("- {principal: a, hash: nonsense}", ["bad_value: identity.api_keys_file[0].hash = *** ({path}:1)"]),
        ("- principal: a", ["missing_key: identity.api_keys_file[0].hash ({path}:1)"]),
        ("- {principal: a, hsh: x}", ["missing_key: ", "unknown_key: identity.api_keys_file[0].hsh ({path}:1)"]),
        ("a: b", ["bad_value: identity.api_keys_file ({path}:1)"]),
        ("\n- [", ["bad_file: identity.api_keys_file ({path}:2)"]),
        (
            f"- {{principal: a, hash: '{MADE.hash}', principal: b}}",
            ["duplicate_key: identity.api_keys_file ({path}:1)"],
        ),
        ("- \xff", ["bad_file: identity.api_keys_file ({path})"]),
        (
            f"- principal: a\n  hash: {MADE.hash}\n  claims: {{a: {'x' * 4100}}}",
            ["bad_value: identity.api_keys, a: claims ({path}:3)"],
        ),
    ],
)
def test_a_file_of_api_keys_that_is_wrong(tmp_path: Path, text: str, told: list[str]) -> None:
    path = tmp_path / "keys.yaml"
    path.write_bytes(text.encode("latin-1"))
    found = problems(api_keys_file=path)
    assert len(found) == len(told)
    for problem, beginning in zip(found, told, strict=True):
        assert problem.startswith(beginning.format(path=path))


# ---- serving ----


def test_keys_of_a_file(path: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.yaml"
    keys.write_text(f"# for reports\n- principal: reports\n  hash: {MADE.hash}\n  expires: 2999-01-01\n")
    found = identities(login(path), api_keys_file=keys)
    assert ask(found, token=OLD.token()) is None
    assert ask(found, x_api_key=MADE.key.encode()) is None
    assert rendered(ask(found, token=NEW.token())) == unauthenticated()
    shown = found.statistics()
    assert (shown.known, shown.keys_missing, shown.refused["key_unknown"]) == (2, 0, 1)
    assert (shown.keyrings["login"].keys, shown.keyrings["login"].source) == (1, str(path))


def test_two_entries_of_one_issuer(path: Path, tmp_path: Path) -> None:
    """One for each audience, say; and a secret beside public keys only in an entry of its own."""
    (tmp_path / "secret.json").write_bytes(jwks(signer("HS256")))
    found = identities(
        login(path, tenant_claim="tenants"),
        login(path, name="shop", audience=["shop"]),
        login(tmp_path / "secret.json", name="secret", algorithms=["HS256"]),
    )
    assert ask(found, token=OLD.token()) is None
    assert ask(found, token=OLD.token({"aud": "shop"})) is None
    assert ask(found, token=signer("HS256").token()) is None
    assert rendered(ask(found, token=OLD.token({"aud": "bank"}))) == unauthenticated()


def test_a_file_with_keys_of_both_kinds_does_not_confuse_them(path: Path) -> None:
    path.write_bytes(jwks(OLD, signer("HS256", "old")))
    found = identities(login(path))
    assert ask(found, token=OLD.token()) is None
    assert rendered(ask(found, token=signer("HS256", "old").token())) == unauthenticated()
    assert rendered(ask(found, token=signer("HS256", "old").token(alg="EdDSA"))) == unauthenticated()


async def test_a_file_that_changes(
    path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("proxy.policy.identity.identities.FILE_EVERY_S", 0.01)
    found = identities(login(path))
    nursery.start_soon(found.run)
    assert ask(found, token=OLD.token()) is None
    await trio.Path(path).write_bytes(b"{}")
    with trio.fail_after(5):
        while not found.statistics().keyrings["login"].failures:  # noqa: ASYNC110 - a file is looked at now and then
            await trio.sleep(0.01)
    assert ask(found, token=OLD.token()) is None, "the old ones stay"
    assert f"no new keys from {path}: it is no JWK set" in caplog.text
    await trio.Path(path).write_bytes(jwks(NEW))
    with trio.fail_after(5):
        while await ask_and_wait(found, token=NEW.token()) is not None:  # noqa: ASYNC110
            await trio.sleep(0.01)
    assert rendered(await ask_and_wait(found, token=OLD.token())) == unauthenticated()


async def test_keys_of_a_url(nursery: trio.Nursery) -> None:
    server = Server({"/": ok(jwks(OLD))})
    async with serving(server):
        found = identities(login(f"http://127.0.0.1:{server.port}/"))
        nursery.start_soon(found.run)
        assert await ask_and_wait(found, token=OLD.token()) is None
        assert rendered(await ask_and_wait(found, token=NEW.token())) == unauthenticated()
    assert len(server.heads) == 1


async def test_a_url_that_is_down(nursery: trio.Nursery, caplog: pytest.LogCaptureFixture) -> None:
    server = Server({})
    async with serving(server):
        found = identities(login(f"http://127.0.0.1:{server.port}/"))
        nursery.start_soon(found.run)
        assert rendered(await ask_and_wait(found, token=OLD.token())) == KEYS_UNAVAILABLE
        assert "it answers 404; its tokens are answered 503" in caplog.text


# ---- changing ----


async def test_a_reload_keeps_what_it_has_and_begins_what_is_new(path: Path, nursery: trio.Nursery) -> None:
    server = Server({"/": ok(jwks(OLD))})
    async with serving(server):
        url = f"http://127.0.0.1:{server.port}/"
        found = identities(login(url))
        nursery.start_soon(found.run)
        assert await ask_and_wait(found, token=OLD.token()) is None
        identify = found.identify
        found.reload(config(login(url, tenant_claim="tenants")))
        assert identify is found.identify
        assert ask(found, token=OLD.token()) is None, "its keys are there without another fetch"
        assert len(server.heads) == 1
        found.reload(config(login(url + "?new")))
        assert await ask_and_wait(found, token=OLD.token()) is not None, "not there any more"
        server.answers["/?new"] = ok(jwks(NEW))
        found.reload(config(login(path)))
        assert ask(found, token=OLD.token()) is None
        found.reload(config())
        assert rendered(ask(found, token=OLD.token())) == unauthenticated(has_token=False)


async def test_a_reload_ends_what_is_not_named_any_more(nursery: trio.Nursery, path: Path) -> None:
    server = Server({"/": ok(jwks(OLD))})
    server.pause_s = 0.05
    async with serving(server):
        found = identities(login(f"http://127.0.0.1:{server.port}/"))
        nursery.start_soon(found.run)
        waiting = ask(found, token=OLD.token())
        assert isinstance(waiting, Await)
        await trio.testing.wait_all_tasks_blocked()
        found.reload(config(login(path)))
        with trio.fail_after(2):
            await waiting.wait()
        assert ask(found, token=OLD.token()) is None


def test_a_bad_reload_changes_nothing(path: Path) -> None:
    found = identities(login(path), api_keys=[{"principal": "a", "hash": MADE.hash}])
    assert ask(found, token=OLD.token()) is None
    path.write_bytes(b"garbage")
    with pytest.raises(SettingsError):
        found.reload(config(login(path)))
    assert found.statistics().known == 1
    assert ask(found, token=OLD.token()) is None
    assert ask(found, x_api_key=MADE.key.encode()) is None


def test_a_key_that_was_taken_out_proves_nothing_after_a_reload(path: Path) -> None:
    found = identities(api_keys=[{"principal": "a", "hash": MADE.hash}])
    assert ask(found, x_api_key=MADE.key.encode()) is None
    found.reload(config(api_keys=[{"principal": "a", "hash": make_key().hash}]))
    assert rendered(ask(found, x_api_key=MADE.key.encode())) == unauthenticated(has_token=False)


# ---- nothing leaks ----


def test_no_token_and_no_key_is_in_any_log_or_repr(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    path.write_bytes(jwks(OLD, signer("HS256")))
    settings = config(login(path), api_keys=[{"principal": "a", "hash": MADE.hash}])
    prepared = prepare_identities(settings)
    found = Identities(prepared, wall_clock=lambda: NOW_S)
    good, key = OLD.token({"note": "hunter2"}), MADE.key.encode()
    tokens = [good, good + b"x", good[:-9], NEW.token(), OLD.token({"exp": 0}), OLD.token({"aud": "hunter2"})]
    tokens += [OLD.signed('{"alg":"hunter2"}', json.dumps(CLAIMS)), b"hunter2", b"hunter2.hunter2.hunter2"]
    tokens += [OLD.token({"note": "hunter2" * 700})]
    for token in tokens:
        ask(found, token=token)
        ask(found, token=token, x_api_key=key)
    ask(found, x_api_key=key)
    ask(found, x_api_key=key + b"hunter2")
    shown = [settings, prepared, prepared.api_keys, found, found.callers, found.statistics(), found.identify]
    text = caplog.text + "".join(map(repr, shown)) + repr([vars(record) for record in caplog.records])
    assert "credentials were refused: audience" in caplog.text
    assert "credentials were refused: claims_too_large" in caplog.text
    secrets = {"hunter2", MADE.key, signer("HS256").jwk["k"]}
    for token in tokens:
        secrets |= {part for part in token.decode().split(".") if len(part) > 8}
    assert [secret for secret in secrets if secret in text] == []
