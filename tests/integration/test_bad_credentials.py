"""Who is not who they say: tokens of every invalid kind, keys, tenants and spellings, through a whole gateway."""

import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from identity_lab import Signer, b64, jwks, signer
from lab import Lab, environment, open_lab, until
from lab_client import HttpAnswer, request
from test_identity import told_by

from penstock import Call, Service
from proxy.config import load_gateway
from proxy.policy.identity.api_keys import make_key

RSA, EC, SECRET = signer("RS256", "rsa"), signer("ES256", "ec"), signer("HS256", "secret")
MADE = make_key()
KEYS = [{"principal": "reports", "hash": MADE.hash, "tenants": ["acme"], "claims": {"scope": "write"}}]
ISSUERS = [
    {
        "name": name,
        "issuer": f"https://{name}.example/",
        "audience": ["penstock"],
        "algorithms": [algorithm],
        "tenant_claim": "tenants",
    }
    for name, algorithm in (("login", "RS256"), ("machines", "HS256"))
]
NO_IDENTITY = b'Bearer realm="penstock"'
BAD_TOKEN = b'Bearer realm="penstock", error="invalid_token"'


def make_service() -> Service:
    service = Service("billing", version="1.0.0")

    @service.get("/open", access="public")
    async def open_to_all(call: Call) -> dict[str, Any]:
        return told_by(call)

    @service.get("/closed", claims={"scope": ["write"]})
    async def closed(call: Call) -> dict[str, Any]:
        return told_by(call)

    return service


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    entries = []
    for entry, one in zip(ISSUERS, (RSA, SECRET), strict=True):
        path = tmp_path / f"{entry['name']}.json"
        path.write_bytes(jwks(one, EC) if one is RSA else jwks(one))
        entries.append({**entry, "jwks": str(path)})
    settings = {"identity_issuers": json.dumps(entries), "identity_api_keys": json.dumps(KEYS)}
    async with open_lab(identity_undeclared="authenticated", **settings) as lab:
        await lab.serve(make_service())
        yield lab


def claims(**other: Any) -> dict[str, Any]:
    """What a good token says now. other: in place of it; None for what is left out."""
    good = {"iss": "https://login.example/", "sub": "anna", "aud": "penstock", "exp": time.time() + 60}
    merged = {**good, "scope": "write", "tenants": ["acme", "b"], **other}
    return {name: value for name, value in merged.items() if value is not None}


def token(one: Signer = RSA, header: dict[str, Any] | None = None, **said: Any) -> str:
    shown = {"alg": one.algorithm, "kid": one.key_id} | (header or {})
    shown = {name: value for name, value in shown.items() if value is not None}
    return one.signed(json.dumps(shown), json.dumps(claims(**said))).decode()


def unsigned(algorithm: str, signature: str = "") -> str:
    """A token with a signature of somebody's own."""
    return f"{b64(json.dumps({'alg': algorithm}).encode())}.{b64(json.dumps(claims()).encode())}.{signature}"


def signed_with_the_public_key() -> str:
    """HS256 with what everybody knows of the RSA key as the secret (RFC 8725, section 2.1)."""
    from hmac import digest

    head = b64(json.dumps({"alg": "HS256", "kid": "rsa"}).encode()) + "." + b64(json.dumps(claims()).encode())
    return head + "." + b64(digest(json.dumps(RSA.jwk).encode(), head.encode(), "sha256"))


def changed(at: int) -> str:
    """A good token of which one character is another."""
    good = token()
    return good[:at] + ("A" if good[at] != "A" else "B") + good[at + 1 :]


def twice() -> str:
    """A claim that is there twice: two readers could take either."""
    text = json.dumps(claims())
    return RSA.signed('{"alg":"RS256","kid":"rsa"}', text[:-1] + ', "sub": "root"}').decode()


INVALID: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no token": lambda: "x",
    "two parts": lambda: token().rpartition(".")[0],
    "four parts": lambda: token() + ".x",
    "five parts, encrypted": lambda: "a.b.c.d.e",
    "alg none": lambda: unsigned("none"),
    "alg none with a signature": lambda: unsigned("none", "AAAA"),
    "alg None": lambda: unsigned("None", "AAAA"),
    "no alg": lambda: token(header={"alg": None}),
    "alg that is no text": lambda: token(header={"alg": 1}),
    "alg of another case": lambda: token(header={"alg": "rs256"}),
    "RS512": lambda: token(header={"alg": "RS512"}),
    "the key of another algorithm": lambda: token(EC),
    "another algorithm by the name of the key": lambda: token(EC, {"kid": "rsa"}),
    "the public key as a secret": signed_with_the_public_key,
    "another issuer's secret": lambda: token(SECRET),
    "another issuer's key": lambda: token(RSA, iss="https://machines.example/"),
    "an unknown key": lambda: token(signer("RS256", "other")),
    "a key of its own": lambda: token(signer("RS256", "other"), {"kid": "rsa", "jwk": signer("RS256", "other").jwk}),
    "a key id that is a path": lambda: token(header={"kid": "../../dev/null"}),
    "an extension": lambda: token(header={"crit": ["exp"], "exp": 1}),
    "a payload that is not encoded": lambda: token(header={"b64": False}),
    "padded": lambda: token() + "=",
    "padded with two": lambda: token() + "==",
    "a signature of another spelling": lambda: changed(-1),
    "another header": lambda: changed(5),
    "another payload": lambda: changed(100),
    "another signature": lambda: changed(-20),
    "no signature": lambda: token().rpartition(".")[0] + ".",
    "a claim twice": twice,
    "claims that are no object": lambda: RSA.signed('{"alg":"RS256","kid":"rsa"}', "[]").decode(),
    "claims that are no JSON": lambda: RSA.signed('{"alg":"RS256","kid":"rsa"}', "{").decode(),
    "expired": lambda: token(exp=time.time() - 300),
    "without an end": lambda: token(exp=None),
    "an end that is text": lambda: token(exp="9999999999"),
    "an end that is true": lambda: token(exp=True),
    "an end in no time": lambda: token(exp=1e300),
    "not yet": lambda: token(nbf=time.time() + 300),
    "made later": lambda: token(iat=time.time() + 300),
    "a beginning that is text": lambda: token(nbf="0"),
    "another audience": lambda: token(aud="other"),
    "other audiences": lambda: token(aud=["other", "penstock2"]),
    "no audience": lambda: token(aud=None),
    "an audience that is no text": lambda: token(aud={"penstock": 1}),
    "an audience among what is no text": lambda: token(aud=["penstock", 1]),
    "another issuer": lambda: token(iss="https://evil.example/"),
    "an issuer of another spelling": lambda: token(iss="https://login.example"),
    "issuers": lambda: token(iss=["https://login.example/"]),
    "no issuer": lambda: token(iss=None),
    "no subject": lambda: token(sub=None),
    "a subject that is a number": lambda: token(sub=1),
    "a subject of two lines": lambda: token(sub="anna\nroot"),
    "a service's name": lambda: token(sub="service:billing"),
    "a service's name in another case": lambda: token(sub="Service:billing"),
    "tenants that are a number": lambda: token(tenants=1),
    "tenants of no form": lambda: token(tenants=["a b"]),
    "very long": lambda: token(more="x" * 8_192),
}


async def get(lab: Lab, target: str, *lines: str) -> HttpAnswer:
    return await (await lab.client()).get(target, *lines)


def shown(answer: HttpAnswer) -> tuple[int, str, dict[bytes, bytes]]:
    """What is the same in every answer of a kind."""
    own = (b"date", b"x-request-id", b"x-correlation-id")
    return answer.status, answer.reason, {name: value for name, value in answer.headers.items() if name not in own}


def refusal(challenge: bytes) -> tuple[int, str, dict[bytes, bytes]]:
    headers = {b"content-type": b"application/problem+json", b"cache-control": b"no-store", b"content-length": b"230"}
    return 401, "unauthenticated", headers | {b"www-authenticate": challenge}


async def test_the_token_that_is_good(lab: Lab) -> None:
    told = (await get(lab, "/closed", f"Authorization: Bearer {token()}")).json()
    assert (told["principal"], told["headers"]) == ("anna", {})


@pytest.mark.parametrize("kind", INVALID)
async def test_tokens_of_every_invalid_kind(lab: Lab, kind: str) -> None:
    line = f"Authorization: Bearer {INVALID[kind]()}"
    for _ in range(2):  # once remembered, once not
        assert shown(await get(lab, "/closed", line)) == refusal(BAD_TOKEN)
    told = (await get(lab, "/open", line)).json()
    assert told == {"principal": None, "claims": {}, "tenant": None, "headers": {}}
    assert lab.reasons == {"unauthenticated": 2}


@pytest.mark.parametrize(
    ("lines", "challenge"),
    [
        ((), NO_IDENTITY),
        (("Authorization:",), NO_IDENTITY),
        (("Authorization: {}",), NO_IDENTITY),
        (("Authorization: Bearer2 {}",), NO_IDENTITY),
        (("Authorization: Basic {}",), NO_IDENTITY),
        (("Authorization: Bearer, Bearer {}",), BAD_TOKEN),
        (("Authorization: Bearer {}, Bearer {}",), BAD_TOKEN),
        (("Authorization: Bearer {} x",), BAD_TOKEN),
        (("Authorization: Bearer\t{}",), BAD_TOKEN),
        (('Authorization: Bearer "{}"',), BAD_TOKEN),
        (("Proxy-Authorization: Bearer {}",), NO_IDENTITY),
        (("Cookie: authorization={}",), NO_IDENTITY),
        (("X-Authorization: Bearer {}",), NO_IDENTITY),
        (("X-Api-Key: {}",), NO_IDENTITY),
        (("X-Api-Key: x",), NO_IDENTITY),
        ((f"X-Api-Key: {MADE.key}x",), NO_IDENTITY),
        ((f"X-Api-Key: {MADE.key.upper()}",), NO_IDENTITY),
        ((f"X-Api-Key: {MADE.hash}",), NO_IDENTITY),
        ((f"x_api_key: {MADE.key}",), NO_IDENTITY),
        ((f"Authorization: Bearer {MADE.key}",), BAD_TOKEN),
        (("Authorization: Bearer {}", f"X-Api-Key: {MADE.key}"), BAD_TOKEN),
        (("Authorization: Bearer {}", "X-Api-Key: x"), BAD_TOKEN),
    ],
)
async def test_where_and_how_credentials_stand(lab: Lab, lines: tuple[str, ...], challenge: bytes) -> None:
    good = token()
    answer = await get(lab, "/closed", *(line.replace("{}", good) for line in lines))
    assert shown(answer) == refusal(challenge)


@pytest.mark.parametrize("form", ["bearer {}", "BEARER {}", "Bearer    {}", "Bearer {}  "])
async def test_a_scheme_has_no_case(lab: Lab, form: str) -> None:
    assert (await get(lab, "/closed", "authorization:" + form.replace("{}", token()))).status == 200


@pytest.mark.parametrize("lines", [("Authorization: Bearer {}",) * 2, (f"X-Api-Key: {MADE.key}",) * 2])
@pytest.mark.parametrize("target", ["/open", "/closed"])
async def test_a_credential_twice(lab: Lab, target: str, lines: tuple[str, ...]) -> None:
    answer = await get(lab, target, *(line.replace("{}", token()) for line in lines))
    assert (answer.status, answer.reason, answer.headers[b"connection"]) == (400, "bad_context", b"close")


@pytest.mark.parametrize("target", ["/open", "/closed"])
@pytest.mark.parametrize(
    ("lines", "status", "told"),
    [
        (("X-Tenant-Id: b",), 200, "b"),
        ((), 200, None),
        (("X-Tenant-Id: c",), 403, "tenant_forbidden"),
        (("X-Tenant-Id: Acme",), 403, "tenant_forbidden"),
        (("X-Tenant-Id:",), 400, "tenant_invalid"),
        (("X-Tenant-Id: acme,b",), 400, "tenant_invalid"),
        (("X-Tenant-Id: acme b",), 400, "tenant_invalid"),
        (("X-Tenant-Id: acm\xe9",), 400, "tenant_invalid"),
        (("X-Tenant-Id: " + "a" * 65,), 400, "tenant_invalid"),
        (("X-Tenant-Id: acme", "x-TENANT-id: b"), 400, "bad_context"),
        (("X-Tenant-Id: acme", "X-Tenant-Id: acme"), 400, "bad_context"),
        (("x_tenant_id: c",), 200, None),
        (("X-Tenant_Id: c", "X-Tenant-Id: b"), 200, "b"),
        (("Tenant: c",), 200, None),
    ],
)
async def test_tenants_that_are_not_theirs(
    lab: Lab, target: str, lines: tuple[str, ...], status: int, told: str | None
) -> None:
    answer = await get(lab, target, f"Authorization: Bearer {token()}", *lines)
    assert (answer.status, answer.json()["tenant"] if status == 200 else answer.reason) == (status, told)


async def test_a_key_is_for_its_tenant_alone(lab: Lab) -> None:
    key = f"X-Api-Key: {MADE.key}"
    for lines in ((), ("X-Tenant-Id: acme",), ("x_tenant_id: b",)):
        assert (await get(lab, "/closed", key, *lines)).json()["tenant"] == "acme"
    answer = await get(lab, "/closed", key, "X-Tenant-Id: b")
    assert (answer.status, answer.reason) == (403, "tenant_forbidden")


@pytest.mark.parametrize("said", [{}, None, [], "", "read", "WRITE", "writer", ["read"], {"write": 1}, 1, True])
async def test_claims_of_odd_types_are_not_met(lab: Lab, said: Any) -> None:
    one = claims() | {"scope": said}
    text = RSA.signed('{"alg":"RS256","kid":"rsa"}', json.dumps(one)).decode()
    answer = await get(lab, "/closed", f"Authorization: Bearer {text}")
    assert (answer.status, answer.reason, b"www-authenticate" in answer.headers) == (403, "forbidden", False)
    assert "detail" not in answer.json()


SPOOFED = (
    "principal",
    "claims",
    "x-penstock-principal",
    "X-Penstock-Claims",
    "x_penstock_principal",
    "X-Penstock_Principal",
    "x-penstock-6",
)


async def test_no_field_of_a_clients_says_who_it_is(lab: Lab) -> None:
    lines = [f"{name}: root" for name in SPOOFED]
    told = (await get(lab, "/open", *lines)).json()
    assert told == {"principal": None, "claims": {}, "tenant": None, "headers": {"principal": "root"}}
    told = (await get(lab, "/closed", f"Authorization: Bearer {token()}", *lines)).json()
    assert (told["principal"], told["claims"]["sub"]) == ("anna", "anna")


@pytest.mark.parametrize(
    "named", ["authorization", "X-Api-Key", "x-tenant-id", "close, Authorization", "x-service-version", "x_tenant_id"]
)
async def test_connection_takes_no_identity_away(lab: Lab, named: str) -> None:
    answer = await get(lab, "/open", f"Authorization: Bearer {token()}", f"Connection: {named}")
    assert (answer.status, answer.reason) == (400, "bad_connection")


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_other_methods_reach_nothing(lab: Lab, method: str) -> None:
    client = await lab.client()
    await client.send(request(method, "/closed", "X-HTTP-Method-Override: GET", "X-HTTP-Method: GET"))
    answer = await client.answer(method)
    wanted = {"HEAD": 401, "OPTIONS": 204}.get(method, 405)
    assert (answer.status, answer.headers.get(b"allow")) == (
        wanted,
        None if wanted == 401 else b"GET, HEAD, OPTIONS",
    )
    assert (b"www-authenticate" in answer.headers) is (wanted == 401)


async def test_who_is_remembered_is_forgotten_when_the_token_is_over(lab: Lab) -> None:
    ends_at_s = time.time() + 0.3
    good = f"Authorization: Bearer {token(exp=ends_at_s - lab.gateway.configured.config.identity.skew_ms / 1_000)}"
    client = await lab.client()
    assert (await client.get("/closed", good)).status == 200
    await until(lambda: time.time() >= ends_at_s)
    for lines in ((good,), (good, "X-Tenant-Id: b")):
        assert shown(await client.get("/closed", *lines)) == refusal(BAD_TOKEN)


async def test_who_is_remembered_is_forgotten_when_their_key_is_taken_from_the_settings(lab: Lab) -> None:
    client, key = await lab.client(), f"X-Api-Key: {MADE.key}"
    assert (await client.get("/closed", key)).status == 200
    other = [{**KEYS[0], "hash": make_key().hash}]
    await lab.gateway.change(load_gateway(environment(identity_api_keys=json.dumps(other))).settings)
    assert shown(await client.get("/closed", key)) == refusal(NO_IDENTITY)


async def test_who_asks_next_on_a_connection_is_nobody_again(lab: Lab) -> None:
    good, chunked = f"Authorization: Bearer {token()}", "Transfer-Encoding: chunked"
    client = await lab.client()
    await client.send(request("GET", "/closed", good) + request("GET", "/closed") + request("GET", "/open"))
    assert [(await client.answer()).status for _ in range(2)] == [200, 401]
    assert (await client.answer()).json()["principal"] is None
    carried_by_a_task = request("GET", "/closed", good, chunked) + b"0\r\n\r\n"
    await client.send(carried_by_a_task + request("GET", "/closed"))
    assert [(await client.answer()).status for _ in range(2)] == [200, 401]


async def test_many_bad_tokens_push_no_good_one_out(lab: Lab) -> None:
    good = f"Authorization: Bearer {token()}"
    assert (await get(lab, "/closed", good)).status == 200
    client = await lab.client()
    for number in range(1_500):
        await client.send(request("GET", "/open", f"Authorization: Bearer a.b.c{number}"))
        await client.answer()
    refused = sum(lab.gateway.configured.identities.callers.refused.values())
    with trio.fail_after(5):
        assert (await get(lab, "/closed", good)).status == 200
    assert len(lab.gateway.configured.identities.callers.known) == 1
    assert sum(lab.gateway.configured.identities.callers.refused.values()) == refused
