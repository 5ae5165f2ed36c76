"""What is explained is what happens: each question is asked of the admin page, and then as a request of the edge."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import urlencode

import pytest
from identity_lab import jwks
from lab import Lab, open_lab
from lab_service import make_hello
from test_identity import MADE, NEW, OLD, issuers, token
from test_identity import make_service as make_billing
from test_key_sources import Server, ok, serving

from frames.frame import FrameType
from frames.greeting import encode_hello
from penstock import Call, Service
from proxy.explain.words import WORDS
from proxy.policy.identity.api_keys import make_key

RULES = """[
  {name: all, service: billing, path: /invoices, rate_limits: [3/h by tenant], deadline: 800ms,
   split: {weights: {1.4.0: 50, 2.0.0: 50}, by: tenant, cases: [{version: 2.0.0, headers: {x-beta: "yes"}}]},
   mirror: {version: 2.0.0, percent: 1}},
  {name: closed, path: /closed, claims: {scope: [read]}, tenant: required, body_bytes: 10B},
  {name: ranges, path: /open, versions: {default: 1.4.0, ranges: true}},
  {name: sharded, path: /sharded, placement: aggregate_placement},
]"""
MAP = """
kind: aggregate_placement
revision: 7
shards: {one: [billing-1.4.0, billing-2.0.0], gone: [billing-9]}
tenants: {acme: one, lost: gone}
"""
SETTINGS = {
    "identity_undeclared": "authenticated",
    "rules": RULES,
    "identity_api_keys": f"[{{principal: robot, hash: {MADE.hash}, claims: {{scope: [read]}}, tenants: [acme]}}]",
    "routes_trailing_slash": "redirect",
}
KEY = f"x-api-key: {MADE.key}"


def make_service(version: str) -> Service:
    service = Service("billing", version=version)

    async def answer(call: Call) -> dict[str, Any]:
        return {"version": version}

    service.get("/open", access="public")(answer)
    service.get("/closed")(answer)
    service.post("/closed")(answer)
    service.get("/invoices/mine", access="public")(answer)
    service.get("/undeclared")(answer)
    service.get("/sharded", access="public")(answer)
    return service


@asynccontextmanager
async def platform(**settings: str) -> AsyncIterator[Lab]:
    with NamedTemporaryFile("w", suffix=".yaml") as placement:
        placement.write(MAP)
        placement.flush()
        async with _platform(placement_maps=placement.name, **settings) as lab:
            yield lab


@asynccontextmanager
async def _platform(**settings: str) -> AsyncIterator[Lab]:
    async with open_lab(**{**SETTINGS, **settings}) as lab:
        for version in ("1.4.0", "2.0.0"):
            await lab.serve(make_service(version), instance=f"billing-{version}")
        yield lab


async def explained(lab: Lab, method: str, target: str, *lines: str, **more: str) -> dict[str, Any]:
    query = {"method": method, "target": target, "header": list(lines), **more}
    page = await lab.admin(f"/explain?{urlencode(query, doseq=True)}")
    assert page.status == 200, page
    told: dict[str, Any] = page.json()
    return told


def lines_of(told: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(step["name"], line["text"], line["origin"]) for step in told["steps"] for line in step["lines"]]


@pytest.mark.parametrize(
    ("method", "target", "lines", "outcome"),
    [
        ("GET", "/open", [], "sent 1.4.0"),
        ("GET", "/open?a=b", ["x-service-version: 2.0.0"], "sent 2.0.0"),
        ("GET", "/open", ["x-service-version: ^1"], "sent 1.4.0"),
        ("GET", "/open", ["x-service-version: 3.0.0"], "404 version_unknown"),
        ("GET", "/open", ["x-service-version: one"], "400 version_invalid"),
        ("GET", "/undeclared", ["x-service-version: ^1"], "401 unauthenticated"),
        ("GET", "/undeclared", [KEY, "x-service-version: ^1"], "400 version_invalid"),
        ("GET", "/%6Fpen", [], "sent 1.4.0"),
        ("HEAD", "/open", [], "sent 1.4.0"),
        ("GET", "/open/", [], "308"),
        ("OPTIONS", "/open", [], "204"),
        ("OPTIONS", "*", [], "204"),
        ("GET", "http://edge/open", [], "sent 1.4.0"),
        ("GET", "/open", ["expect: x"], "417 bad_expectation"),
        ("GET", "/op\u00e4n", [], "400 bad_target"),
        ("POST", "/open", [], "405 method_not_allowed"),
        ("GET", "/nowhere", [], "404 no_route"),
        ("GET", "/a/../open", [], "400 bad_path"),
        ("GET", "/a%2Fopen", [], "400 bad_path"),
        ("GET", "/..;/open", [], "400 bad_path"),
        ("GET", "/open", ["x-tenant-id: a", "x-tenant-id: b"], "400 bad_context"),
        ("GET", "/open", ["x-request-timeout-ms: soon"], "400 request_timeout_invalid"),
        ("GET", "/closed", [], "401 unauthenticated"),
        ("GET", "/closed", ["x-api-key: wrong"], "401 unauthenticated"),
        ("GET", "/closed", [KEY], "sent 2.0.0"),
        ("GET", "/closed", [KEY, "x-tenant-id: acme"], "sent 2.0.0"),
        ("GET", "/closed", [KEY, "x-tenant-id: other"], "403 tenant_forbidden"),
        ("GET", "/invoices/mine", ["x-tenant-id: not valid"], "400 tenant_invalid"),
        ("GET", "/invoices/mine", ["x-beta: yes"], "sent 2.0.0"),
        ("GET", "/sharded", [], "400 tenant_missing"),
        ("GET", "/sharded", ["x-tenant-id: acme"], "sent 2.0.0"),
        ("GET", "/sharded", ["x-tenant-id: lost"], "503 shard_missing"),
        ("GET", "/sharded", ["x-tenant-id: nobody"], "503 shard_missing"),
    ],
)
async def test_what_is_explained_is_what_happens(method: str, target: str, lines: list[str], outcome: str) -> None:
    async with platform() as lab:
        told = await explained(lab, method, target, *lines)
        client = await lab.client()
        answer = await client.ask(method, target, *lines)
        if outcome.startswith("sent"):
            assert (told["outcome"], told["version"], told["status"]) == ("sent", outcome.split()[1], None)
            assert answer.status == 200
            if method != "HEAD":
                assert answer.json() == {"version": told["version"]}
            assert told["instance"] == f"billing/billing-{told['version']}"
        else:
            assert f"{told['status']} {told['reason']}".strip() == outcome
            assert answer.status == told["status"]
            if told["outcome"] == "refused":
                assert answer.reason == told["reason"]
                assert answer.json()["title"] == told["title"]
                assert told["fix"]


@pytest.mark.parametrize(("byte_count", "status"), [(10, 200), (11, 413)])
async def test_a_body_is_judged_by_its_length(byte_count: int, status: int) -> None:
    async with platform() as lab:
        told = await explained(lab, "POST", "/closed", KEY, body_bytes=str(byte_count))
        answer = await (await lab.client()).ask("POST", "/closed", KEY, body=b"x" * byte_count)
        assert (answer.status, told["status"] or 200) == (status, status)
        assert ("body", "at most 10B", "rule closed (PENSTOCK_RULES[1])") in lines_of(told)


async def test_tenants_fall_where_it_is_said() -> None:
    async with platform(rules=RULES.replace("3/h", "100/h")) as lab:
        client = await lab.client()
        versions = set()
        for number in range(12):
            tenant = f"tenant-{number}"
            told = await explained(lab, "GET", "/invoices/mine", tenant=tenant)
            answer = await client.get("/invoices/mine", f"x-tenant-id: {tenant}")
            assert answer.json() == {"version": told["version"]}
            versions.add(told["version"])
        assert versions == {"1.4.0", "2.0.0"}


async def test_limits_are_told_and_not_used_up() -> None:
    async with platform() as lab:
        client = await lab.client()
        for left in (3, 3, 3):
            told = await explained(lab, "GET", "/invoices/mine", tenant="acme")
            assert ("rate limits", f"3/h by tenant: {left} left", "rule all (PENSTOCK_RULES[0])") in lines_of(told)
        for left in (2, 1, 0):
            assert (await client.get("/invoices/mine", "x-tenant-id: acme")).status == 200
            told = await explained(lab, "GET", "/invoices/mine", tenant="acme")
            text = next(text for name, text, _ in lines_of(told) if name == "rate limits")
            assert text == f"3/h by tenant: {left} left" if left else text.startswith("3/h by tenant: USED UP for ")
        assert (told["status"], told["reason"], told["detail"]) == (429, "rate_limited", "The limit is 3/h by tenant.")
        assert (await client.get("/invoices/mine", "x-tenant-id: acme")).status == 429
        assert (await explained(lab, "GET", "/invoices/mine", tenant="other"))["outcome"] == "sent"


async def test_nothing_is_remembered_counted_or_sent() -> None:
    async with platform() as lab:
        configured = lab.gateway.configured
        for lines in ([KEY], ["x-api-key: wrong"], ["authorization: Basic x"], []):
            for target in ("/closed", "/open", "/invoices/mine", "/nowhere"):
                await explained(lab, "GET", target, *lines, tenant="acme")
        counted = configured.rates.limiter.statistics()
        assert (counted.keys, set(counted.refused.values()) <= {0}) == (0, True)
        known = configured.identities.statistics()
        assert (known.known, set(known.refused.values())) == (0, {0})
        assert len(configured.identities.callers._strangers) == 0
        assert lab.reasons == {}
        assert sum(sum(lab.gateway.wire.route_statuses(index)) for index in range(6)) == 0


async def test_each_decision_says_who_made_it_so() -> None:
    async with platform() as lab:
        told = await explained(lab, "GET", "/closed", principal="alice", claims='{"scope": ["read"]}', tenant="acme")
        assert lines_of(told) == [
            ("path", "/closed, as it came", ""),
            ("route", "GET /closed of billing", "billing 2.0.0, billing 1.4.0 declare"),
            ("route", "rule closed holds", "PENSTOCK_RULES[1]"),
            ("who", "alice, as imagined: no credentials are judged", ""),
            ("who", "tenant acme", ""),
            ("access", "an identity: there", "rule closed (PENSTOCK_RULES[1])"),
            ("access", "claim scope: read (met)", "rule closed (PENSTOCK_RULES[1])"),
            ("access", "a tenant: there", "rule closed (PENSTOCK_RULES[1])"),
            ("body", "at most 10B", "rule closed (PENSTOCK_RULES[1])"),
            ("deadline", "10s", "edge.deadline"),
            ("version", "2.0.0, the default; there is 1.4.0, too", "the highest that there is"),
            ("instance", "billing-2.0.0, the only candidate", ""),
            ("sending", "in a batch, without a task", ""),
            ("sending", "retries: read, up to 3 attempts: whenever it fails, and after 502, 503, 504", ""),
            ("sending", "kept for that up to 64KiB, head and body", "retries.buffer_bytes"),
            ("sending", "at most 20% of the service's requests, and 10 a second more", "retries.budget"),
        ]
        assert [(row["instance"], row["because"]) for row in told["instances"]] == [
            ("billing-2.0.0", "picked"),
            ("billing-1.4.0", "another version"),
        ]
        told = await explained(lab, "GET", "/closed", principal="alice", claims='{"scope": ["write"]}')
        assert [line for line in lines_of(told) if line[0] == "access"] == [
            ("access", "an identity: there", "rule closed (PENSTOCK_RULES[1])"),
            ("access", "claim scope: read (NOT MET)", "rule closed (PENSTOCK_RULES[1])"),
            ("access", "a tenant: MISSING", "rule closed (PENSTOCK_RULES[1])"),
        ]
        assert (told["status"], told["reason"]) == (403, "forbidden")


async def test_why_credentials_prove_nothing_is_told_to_operators() -> None:
    async with platform() as lab:
        told = await explained(lab, "GET", "/closed", f"x-api-key: {make_key().key}")
        assert ("who", "nobody in particular: the credentials prove nothing (api_key)", "") in lines_of(told)
        told = await explained(lab, "GET", "/closed", KEY)
        assert ("who", "robot, by an API key", "identity.api_keys") in lines_of(told)
        assert MADE.key not in str(told)


async def test_a_token_is_judged_as_a_requests_would_be() -> None:
    server = Server({"/": ok(jwks(OLD))})
    async with serving(server):
        url = f"http://127.0.0.1:{server.port}/"
        async with open_lab(identity_undeclared="authenticated", identity_issuers=issuers(url)) as lab:
            await lab.serve(make_billing())
            good = await explained(lab, "GET", "/closed", token(tenants=["acme"]))
            assert good["outcome"] == "sent"
            assert [text for name, text, _ in lines_of(good) if name == "who"] == [
                "anna, by issuer login",
                "tenant acme",
            ]
            for wrong, cause in ((token(NEW), "key_unknown"), (token(exp=1), "expired"), (token(aud="b"), "audience")):
                bad = await explained(lab, "GET", "/closed", wrong)
                assert (bad["status"], bad["reason"]) == (401, "unauthenticated")
                why = f"nobody in particular: the credentials prove nothing ({cause})"
                assert ("who", why, "") in lines_of(bad)
                assert wrong.split()[-1] not in str(bad)
            other = await explained(lab, "GET", "/closed", token(tenants=["acme"]), tenant="other")
            assert (other["status"], other["reason"]) == (403, "tenant_forbidden")


async def test_whoever_is_imagined_is_believed_and_asks_for_the_tenant_that_is_named() -> None:
    async with platform() as lab:
        for line, outcome in (("acme", None), ("not valid", "tenant_invalid"), ("", "tenant_invalid")):
            asked = {"principal": "alice", "claims": '{"scope": "read"}'}
            told = await explained(lab, "GET", "/closed", f"x-tenant-id: {line}", **asked)
            assert (told["reason"] or None) == outcome
        told = await explained(lab, "GET", "/closed", **asked)
        assert (told["status"], told["reason"]) == (400, "tenant_missing")


async def test_keys_that_cannot_be_had_are_told() -> None:
    server = Server({})
    async with serving(server):
        url = f"http://127.0.0.1:{server.port}/"
        async with open_lab(identity_undeclared="authenticated", identity_issuers=issuers(url)) as lab:
            await lab.serve(make_billing())
            told = await explained(lab, "GET", "/closed", token())
            assert (told["status"], told["reason"]) == (503, "keys_unavailable")
            assert told["fix"] == "make the keys of the issuer reachable: identity.issuers says where they are"


async def test_a_split_a_case_and_a_mirror_are_told() -> None:
    async with platform() as lab:
        told = lines_of(await explained(lab, "GET", "/invoices/mine", "x-beta: yes", tenant="acme"))
        origin = "rule all (PENSTOCK_RULES[0])"
        assert ("split", "2.0.0: a case of the split holds", origin) in told
        mirrored = "1 % to 2.0.0, at most 16 at once"
        assert ("mirror", f"{mirrored}; this one is not copied: it goes there itself", origin) in told
        told = lines_of(await explained(lab, "GET", "/invoices/mine", "x-service-version: 1.4.0", tenant="acme"))
        assert ("split", "not split: the request names its version", origin) in told
        assert ("mirror", mirrored, origin) in told
        told = lines_of(await explained(lab, "GET", "/invoices/mine"))
        split = [text for name, text, _ in told if name == "split"]
        assert split[0].endswith(" this time: at random, since there is no key by tenant")
        assert split[1] == "50 % 1.4.0, 50 % 2.0.0"


async def test_shares_of_a_split_are_told_by_metrics_as_they_are_now() -> None:
    async def shares(lab: Lab) -> list[bytes]:
        page = await lab.admin("/metrics")
        return [line for line in page.body.splitlines() if line.startswith(b"penstock_split_share_ratio{")]

    rules = "[{service: raw, split: {weights: {1.4.0: 60, 2.0.0: 30, 3.0.0: 10}}}]"
    async with open_lab(rules=rules) as lab:
        for version in ("1.4.0", "2.0.0"):
            await lab.raw("GET /things", version=version, instance=f"raw-{version}")
        assert await shares(lab) == [
            b'penstock_split_share_ratio{route="/things",method="GET",version="1.4.0"} 0.6667',
            b'penstock_split_share_ratio{route="/things",method="GET",version="2.0.0"} 0.3333',
        ]


async def test_a_shard_is_told_and_who_is_in_another() -> None:
    async with platform() as lab:
        told = lines_of(await explained(lab, "GET", "/sharded", tenant="acme"))
        ((_, text, origin),) = [line for line in told if line[0] == "placement"]
        assert text == "shard one by aggregate_placement, revision 7"
        assert origin.endswith(".yaml; rule sharded (PENSTOCK_RULES[3])")
        refused = await explained(lab, "GET", "/sharded", tenant="lost")
        assert [text for name, text, _ in lines_of(refused) if name == "placement"] == [
            "shard gone by aggregate_placement, revision 7"
        ]
        assert {row["instance"]: row["because"] for row in refused["instances"]} == {
            "billing-2.0.0": "the tenant is in another shard",
            "billing-1.4.0": "another version",
        }
        nowhere = lines_of(await explained(lab, "GET", "/sharded", tenant="nobody"))
        assert [text for name, text, _ in nowhere if name == "placement"] == [
            "the tenant has no shard in aggregate_placement, revision 7"
        ]


async def test_every_stage_that_serves_traffic_is_told_of() -> None:
    settings = {"versions_path_prefix": "true", "rates_admit": "[1000/s by address]"}
    async with platform(**settings) as lab:
        pipeline = lab.gateway.configured.pipeline
        assert [stage.__name__ for stage in (*pipeline.entry, *pipeline.rest) if stage.__name__ not in WORDS] == []
        told = await explained(lab, "GET", "/@1.4.0/open")
        assert (told["outcome"], told["version"]) == ("sent", "1.4.0")
        assert ("prefix", "the path names version 1.4.0", "versions.path_prefix") in lines_of(told)
        assert ("admit", "1000/s by address: 1,000 left", "rates.admit") in lines_of(told)
        assert (await explained(lab, "GET", "/@9.0.0/open"))["reason"] == "version_unknown"


async def test_who_is_not_chosen_and_why() -> None:
    settings = {"regions_own": "eu-1", "regions_neighbours": "{eu-1: [eu-2]}"}
    async with open_lab(**settings) as lab:
        for number, (region, version) in enumerate(
            [("eu-1", "1.0.0"), ("eu-1", "1.0.0"), ("eu-2", "1.0.0"), ("us-1", "1.0.0"), ("eu-1", "0.9.0")]
        ):
            last = await lab.raw("GET /things", region=region, version=version, instance=f"raw-{number}")
        assert last is not None
        told = await explained(lab, "GET", "/things")
        because = {row["instance"]: (row["tier"], row["because"]) for row in told["instances"]}
        picked = told["instance"].partition("/")[2]
        assert because.pop(picked) == ("own", "picked")
        assert because == {
            ({"raw-0", "raw-1"} - {picked}).pop(): ("own", "a candidate"),
            "raw-2": ("neighbour", "a nearer region has instances"),
            "raw-3": ("other", "a nearer region has instances"),
            "raw-4": ("own", "another version"),
        }
        await last.send(FrameType.HELLO, encode_hello(make_hello("GET /others", instance="raw-4")))


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("", "There is no target; write target=/invoices/42."),
        ("target=/a&limit=3", "There is no parameter 'limit' here;"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_is_right(lab: Lab, query: str, detail: str) -> None:
    page = await lab.admin(f"/explain?{query}")
    assert page.status == 400
    assert page.json()["detail"].startswith(detail)
