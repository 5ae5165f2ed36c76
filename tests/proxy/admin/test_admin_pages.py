import json
from typing import Any

import pytest
from admin_support import STATE, state_with

from proxy.admin.pages import PARAMETERS_MAX, Pages
from proxy.admin.state import AdminProblem, AdminState, Rows, Selection

PAGES = [
    "/",
    *(
        "/health",
        "/ready",
        "/services",
        "/routes",
        "/top",
        "/records",
        "/fleet",
        "/config",
        "/openapi.json",
        "/explain",
    ),
    *("/workers", "/workers/restart", "/upgrade", "/drain", "/reload", "/log-level", "/metrics"),
]
CHANGING = ("/workers/restart", "/upgrade", "/drain", "/reload", "/log-level")
TOKEN = "correct horse"  # noqa: S105
LOCKED = state_with(token=lambda: TOKEN)


async def json_of(path: str, state: AdminState = STATE, status: int = 200, method: str = "GET") -> Any:
    page = await Pages(state).page(method, path)
    assert page.status == status
    assert page.content_type == "application/json"
    return json.loads(page.body)


async def test_health() -> None:
    assert await json_of("/health") == {"status": "alive"}


async def test_ready() -> None:
    assert await json_of("/ready") == {"status": "ready", "reasons": []}


async def test_not_ready_says_why() -> None:
    state = state_with(ready=lambda: ("no service is registered", "draining"))
    assert await json_of("/ready", state, 503) == {
        "status": "not ready",
        "reasons": ["no service is registered", "draining"],
    }


async def test_alive_though_not_ready() -> None:
    assert await json_of("/health", state_with(ready=lambda: ["draining"])) == {"status": "alive"}


async def test_the_fleet_of_all_services_or_of_one() -> None:
    assert await json_of("/fleet") == {"of": ""}
    assert await json_of("/fleet?service=billing") == {"of": "billing"}
    assert "There is no parameter 'a' here" in (await json_of("/fleet?a=b", status=400))["detail"]


@pytest.mark.parametrize("name", ["services", "routes"])
async def test_lists_and_what_is_asked_of_them(name: str) -> None:
    asked: list[Selection] = []

    async def listed(selection: Selection) -> Rows:
        asked.append(selection)
        return Rows([{"one": 1}], "a b")

    state = state_with(**{name: listed})
    assert await json_of(f"/{name}", state) == {name: [{"one": 1}], "next": "a b"}
    await json_of(f"/{name}?service=billing&path=%2Fa%20b&limit=1000&after=x+y", state)
    assert asked == [Selection(), Selection("billing", "/a b", 1_000, "x y")]


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("limit=0", "'0' is no limit; write a whole number from 1 to 1000."),
        ("limit=1001", "'1001' is no limit; write a whole number from 1 to 1000."),
        ("limit=-1", "'-1' is no limit; write a whole number from 1 to 1000."),
        ("limit=", "'' is no limit; write a whole number from 1 to 1000."),
        ("limit=%D9%A1", "'\u0661' is no limit; write a whole number from 1 to 1000."),
        ("limit=1&limit=2", "The parameter limit is there 2 times; write it once."),
        ("servise=a", "There is no parameter 'servise' here; write service, path, limit, after."),
        ("path=%FF", "The query cannot be read: it is not UTF-8."),
        ("&".join(["path=a"] * (PARAMETERS_MAX + 1)), "The query cannot be read: it has more than 128 parameters."),
    ],
)
async def test_a_wrong_query_is_answered_with_what_is_right(query: str, detail: str) -> None:
    said = await json_of(f"/routes?{query}", status=400)
    assert said == {"status": 400, "title": "The query is wrong.", "detail": detail}


async def test_settings() -> None:
    async def config() -> list[dict[str, str]]:
        return [{"name": "edge.deadline"}]

    assert await json_of("/config", state_with(config=config)) == {"settings": [{"name": "edge.deadline"}]}


async def test_explain_gets_the_query() -> None:
    assert await json_of("/explain?target=%2Fa&header=a:1&header=b:") == {"target": ["/a"], "header": ["a:1", "b:"]}


async def test_the_last_reload_is_read_and_another_one_posted() -> None:
    async def refused() -> tuple[bool, Any]:
        return False, {"applied": False, "problems": ["a line"]}

    assert await json_of("/reload") == {}
    assert await json_of("/reload", method="POST") == {"applied": True}
    assert await json_of("/reload", state_with(reload=refused), 409, "POST") == {
        "applied": False,
        "problems": ["a line"],
    }


async def test_a_page_may_say_why_it_cannot_say_anything() -> None:
    async def busy() -> tuple[bool, Any]:
        raise AdminProblem(409, "Another reload is under way.", applied=False, problems=[])

    assert await json_of("/reload", state_with(reload=busy), 409, "POST") == {
        "status": 409,
        "title": "That cannot be done now.",
        "detail": "Another reload is under way.",
        "applied": False,
        "problems": [],
    }


async def test_metrics() -> None:
    page = await Pages(STATE).page("GET", "/metrics")
    assert page.status == 200
    assert page.content_type.startswith("text/plain; version=0.0.4")
    assert b'penstock_build_info{version="1.2.3",git_sha="unknown"} 1\n' in page.body
    assert (await Pages(STATE).page("GET", "/metrics", "application/openmetrics-text")).body.endswith(b"# EOF\n")


@pytest.mark.parametrize("path", ["//", "", "/Health", "/health/", "*", "http://a/health", "/metrics/x"])
async def test_no_such_page_says_which_there_are(path: str) -> None:
    assert await json_of(path, status=404) == {"status": 404, "title": "There is no such page.", "pages": PAGES}


@pytest.mark.parametrize("path", [path for path in PAGES if path not in CHANGING])
@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "CONNECT", "get"])
async def test_pages_are_only_read(method: str, path: str) -> None:
    page = await Pages(STATE).page(method, path)
    assert (page.status, json.loads(page.body)["title"]) == (405, "Pages are only read here.")
    assert page.headers == (("allow", "GET, HEAD"),)


async def test_the_page_that_does_something_takes_no_other_methods() -> None:
    page = await Pages(STATE).page("PUT", "/reload")
    assert (page.status, page.headers) == (405, (("allow", "GET, HEAD, POST"),))


async def test_a_drain_is_begun_by_post_alone() -> None:
    page = await Pages(STATE).page("GET", "/drain")
    assert (page.status, page.headers) == (405, (("allow", "POST"),))
    assert await json_of("/drain", method="POST") == {"status": "draining"}


async def test_one_process_alone_has_no_workers() -> None:
    assert await json_of("/workers") == {"workers": []}


async def test_whether_a_gateway_is_ready_may_have_to_be_found_out() -> None:
    async def ready() -> list[str]:
        return ["Worker 0.1: No service is registered."]

    state = state_with(ready=ready)
    assert (await json_of("/ready", state, 503))["reasons"] == ["Worker 0.1: No service is registered."]


@pytest.mark.parametrize("path", ["/health", "/metrics"])
async def test_head_is_read_as_get(path: str) -> None:
    assert (await Pages(STATE).page("HEAD", path)).status == 200


@pytest.mark.parametrize("path", ["/", "/health", "/ready"])
async def test_watchers_need_no_token(path: str) -> None:
    assert (await Pages(LOCKED).page("GET", path)).status == 200


@pytest.mark.parametrize("path", [*PAGES[3:], "/nowhere", "/routes?limit=0", "/health/"])
@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        f"Bearer {TOKEN}\u00e4",
    ],
)
async def test_all_else_needs_the_token_and_says_nothing_without(path: str, authorization: str) -> None:
    page = await Pages(LOCKED).page("GET", path, authorization=authorization)
    assert page.status == 401
    assert json.loads(page.body) == {"status": 401, "title": "The admin token is needed."}
    assert page.headers == (("www-authenticate", 'Bearer realm="penstock-admin"'),)


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/drain"])
@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
async def test_the_token_lets_in(path: str, authorization: str) -> None:
    assert (await Pages(LOCKED).page("GET", path, authorization=authorization)).status == 200


async def test_nothing_is_reloaded_without_the_token() -> None:
    async def never() -> tuple[bool, Any]:
        raise AssertionError

    state = state_with(token=lambda: TOKEN, reload=never)
    assert (await Pages(state).page("POST", "/reload")).status == 401


async def test_another_token_holds_from_the_next_request_on() -> None:
    tokens = ["one", "two"]
    pages = Pages(state_with(token=lambda: tokens.pop(0)))
    assert (await pages.page("GET", "/config", authorization="Bearer one")).status == 200
    assert (await pages.page("GET", "/config", authorization="Bearer one")).status == 401


async def test_openapi_of_all_of_one_and_of_a_version() -> None:
    assert await json_of("/openapi.json") == ["", ""]
    assert await json_of("/openapi.json?service=billing") == ["billing", ""]
    assert await json_of("/openapi.json?service=billing&version=1.4.0") == ["billing", "1.4.0"]
    wrong = await json_of("/openapi.json?version=1.4.0", status=400)
    assert wrong["detail"] == "A version is one of a service: write service, too."
    wrong = await json_of("/openapi.json?name=billing", status=400)
    assert wrong["detail"] == "There is no parameter 'name' here; write service, version."


async def test_workers_that_are_to_be_replaced() -> None:
    assert await json_of("/workers/restart", method="POST") == {"slots": []}
    assert await json_of("/workers/restart?slot=1&slot=0", method="POST") == {"slots": [1, 0]}
    assert await json_of("/workers/restart") == {}
    for query, said in [
        ("?slot=one", "'one' is no slot; write a whole number."),
        ("?a=b", "There is no parameter 'a'"),
    ]:
        assert said in (await json_of(f"/workers/restart{query}", status=400, method="POST"))["detail"]


@pytest.mark.parametrize("path", ["/workers/restart", "/upgrade"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_one_process_alone_is_not_replaced(path: str, method: str) -> None:
    alone = state_with(restart_workers=None, restarted=None, upgrade=None, upgraded=None)
    said = await json_of(path, alone, 409, method)
    assert said["detail"] == "This gateway is one process without a supervisor (workers: 0); start it anew instead."
