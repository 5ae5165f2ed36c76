"""What there is to see, and what it says. Knows no HTTP library: a method and a target become a page.

GET /                         for people: shows /top in a browser, live; without the token, which it asks for itself
GET /health, /ready           for whoever watches the process: without the token
GET /metrics                  for Prometheus
GET /services, /routes        what is live: ?service= ?path= ?limit= ?after=
GET /top                      the figures of now, of the last few seconds: ?service= ?limit=
GET /records                  requests that have ended: ?ring= ?after= ?limit= ?route= ?status= and more; or ?id=
GET /fleet                    how every instance is, asked of all of them now: ?service=
GET /config                   every setting, with where its value is from
GET /openapi.json             what can be asked through the gateway: ?service= ?version=
GET /explain                  what would become of a request: ?method= ?target= ?tenant= ?header= and more
GET /workers                  the processes that serve, where there are several
GET, POST /workers/restart    what came of the last time; put new ones in their place: ?slot=
GET, POST /upgrade            what came of the last one; have the version take over that is installed now
POST /drain                   finish what is there, take nothing new, and end
GET, POST /reload             what came of the last reload; read the settings again
GET, PUT /log-level           which lines are logged; change it: ?logger= ?level= ?for=
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec
import trio

from proxy.admin.state import LIMIT, LIMIT_MAX, AdminProblem, AdminState, Rows, Selection
from proxy.beside_traffic import beside_traffic

if TYPE_CHECKING:
    from proxy.admin.metrics import Metrics
    from proxy.admin.top_keeper import TopKeeper

T = TypeVar("T")

JSON: Final = "application/json"
COMPRESSED: Final = (("content-encoding", "gzip"), ("vary", "accept, accept-encoding"))
PARAMETERS_MAX: Final = 128
LARGE_MAX: Final = 4

Query = Mapping[str, Sequence[str]]
"""The parameters of a query: the values of each name, in their order."""

_CHALLENGE: Final = ("www-authenticate", 'Bearer realm="penstock-admin"')
_READ: Final = ("GET", "HEAD")


class Page(NamedTuple):
    """An answer: a status, what the body is, the body, and more header fields."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def json_page(status: int, value: Any, *headers: tuple[str, str]) -> Page:
    """A page that is a JSON document, with a line end for those who look at it in a terminal."""
    return Page(status, JSON, msgspec.json.encode(value) + b"\n", headers)


def error_page(status: int, title: str, *headers: tuple[str, str], **more: Any) -> Page:
    """A page that says what went wrong."""
    return json_page(status, {"status": status, "title": title, **more}, *headers)


class _Asked(NamedTuple):
    """What a page is asked."""

    method: str
    query: Query
    accept: str
    takes_gzip: bool


class _Entry(NamedTuple):
    """A page. is_open: it is shown without the token."""

    show: Callable[[_Asked], Awaitable[Page]]
    methods: tuple[str, ...] = _READ
    is_open: bool = False


class Pages:
    """The pages of one gateway."""

    def __init__(self, state: AdminState) -> None:
        self._state = state
        # What takes long is rendered in a thread, since thousands of lines would hold up a batch; one at a time.
        self._rendering = trio.CapacityLimiter(1)
        self.large = trio.Semaphore(LARGE_MAX)
        """What is large is made and sent within it."""
        self._pages = {
            "/": _Entry(self._operator, is_open=True),
            "/health": _Entry(self._health, is_open=True),
            "/ready": _Entry(self._ready, is_open=True),
            "/services": _Entry(self._services),
            "/routes": _Entry(self._routes),
            "/top": _Entry(self._top),
            "/records": _Entry(self._records),
            "/fleet": _Entry(self._fleet),
            "/config": _Entry(self._config),
            "/openapi.json": _Entry(self._openapi),
            "/explain": _Entry(self._explain),
            "/workers": _Entry(self._workers),
            "/workers/restart": _Entry(self._restart, (*_READ, "POST")),
            "/upgrade": _Entry(self._upgrade, (*_READ, "POST")),
            "/drain": _Entry(self._drain, ("POST",)),
            "/reload": _Entry(self._reload, (*_READ, "POST")),
            "/log-level": _Entry(self._log_level, (*_READ, "PUT")),
            "/metrics": _Entry(self._metrics),
        }

    async def page(
        self, method: str, target: str, accept: str = "", authorization: str = "", *, takes_gzip: bool = False
    ) -> Page:
        """The page for a request."""
        path, _, query = target.partition("?")
        entry = self._pages.get(path)
        if not (entry and entry.is_open) and not self._is_let_in(authorization):
            return error_page(401, "The admin token is needed.", _CHALLENGE)
        if entry is None:
            return error_page(404, "There is no such page.", pages=list(self._pages))
        if method not in entry.methods:
            title = "Pages are only read here." if entry.methods == _READ else "This page takes no such method."
            return error_page(405, title, ("allow", ", ".join(entry.methods)))
        try:
            return await entry.show(_Asked(method, _parameters(query), accept, takes_gzip))
        except AdminProblem as problem:
            title = _TITLES.get(problem.status, "That cannot be done.")
            return error_page(problem.status, title, detail=problem.detail, **problem.more)

    @property
    def is_locked(self) -> bool:
        """Whether a token is needed."""
        return bool(self._state.token())

    def _is_let_in(self, authorization: str) -> bool:
        token = self._state.token()
        if not token:
            return True
        from hmac import compare_digest

        scheme, _, shown = authorization.partition(" ")
        is_same = compare_digest(shown.strip(" ").encode("latin-1", "replace"), token.encode("utf-8"))
        return is_same and scheme.lower() == "bearer"

    async def _operator(self, asked: _Asked) -> Page:
        from proxy.admin.operator_page import operator_page

        return await self._render(operator_page)

    async def _health(self, asked: _Asked) -> Page:
        return json_page(200, {"status": "alive"})

    async def _ready(self, asked: _Asked) -> Page:
        reasons = await self._not_ready()
        if reasons:
            return json_page(503, {"status": "not ready", "reasons": reasons})
        return json_page(200, {"status": "ready", "reasons": []})

    async def _not_ready(self) -> list[str]:
        found = self._state.ready()
        return list(found if isinstance(found, Sequence) else await found)

    async def _services(self, asked: _Asked) -> Page:
        return await self._listed("services", await self._state.services(_selection(asked.query)))

    async def _routes(self, asked: _Asked) -> Page:
        return await self._listed("routes", await self._state.routes(_selection(asked.query)))

    async def _listed(self, name: str, listed: Rows) -> Page:
        return await self._render(json_page, 200, {name: listed.rows, "next": listed.next})

    @cached_property
    def _keeper(self) -> "TopKeeper":
        from proxy.admin.top_keeper import TopKeeper

        return TopKeeper(self._state.top)

    async def _top(self, asked: _Asked) -> Page:
        from proxy.admin.top_page import render_top, wanted_of

        wanted = wanted_of(asked.query)
        before, after = await self._keeper.window()
        return await self._render(render_top, before, after, wanted, await self._not_ready())

    async def _records(self, asked: _Asked) -> Page:
        from proxy.admin.record_query import records_wanted

        wanted = records_wanted(asked.query)
        return await self._render(json_page, 200, await self._state.records(wanted))

    async def _fleet(self, asked: _Asked) -> Page:
        return Page(200, JSON, await self._state.fleet(one_of(asked.query, ("service",)).get("service", "")))

    async def _config(self, asked: _Asked) -> Page:
        return await self._render(json_page, 200, {"settings": await self._state.config()})

    async def _openapi(self, asked: _Asked) -> Page:
        given = one_of(asked.query, ("service", "version"))
        if "version" in given and "service" not in given:
            raise AdminProblem(400, "A version is one of a service: write service, too.")
        return Page(200, JSON, await self._state.openapi(given.get("service", ""), given.get("version", "")))

    async def _explain(self, asked: _Asked) -> Page:
        return json_page(200, await self._state.explain(asked.query))

    async def _workers(self, asked: _Asked) -> Page:
        workers = self._state.workers
        return json_page(200, {"workers": []} if workers is None else await workers())

    async def _restart(self, asked: _Asked) -> Page:
        begin, tell = self._state.restart_workers, self._state.restarted
        if begin is None or tell is None:
            raise AdminProblem(409, _ALONE)
        if asked.method != "POST":
            return json_page(200, await tell())
        one_of(asked.query, (), ("slot",))
        return json_page(200, await begin([_whole(text, "slot") for text in asked.query.get("slot", ())]))

    async def _upgrade(self, asked: _Asked) -> Page:
        begin, tell = self._state.upgrade, self._state.upgraded
        if begin is None or tell is None:
            raise AdminProblem(409, _ALONE)
        return json_page(200, await (begin() if asked.method == "POST" else tell()))

    async def _drain(self, asked: _Asked) -> Page:
        await self._state.drain()
        return json_page(200, {"status": "draining"})

    async def _reload(self, asked: _Asked) -> Page:
        if asked.method != "POST":
            return json_page(200, await self._state.reloaded())
        applied, report = await self._state.reload()
        return json_page(200 if applied else 409, report)

    async def _log_level(self, asked: _Asked) -> Page:
        from proxy.admin.log_page import PARAMETERS, change_of

        state = await self._state.log_levels()
        if asked.method == "PUT":
            wanted = change_of(one_of(asked.query, PARAMETERS), state.names)
            await self._state.change_log_level(*wanted)
            state = await self._state.log_levels()
        return json_page(200, state)

    async def _metrics(self, asked: _Asked) -> Page:
        from proxy.admin.exposition import content_type_for
        from proxy.admin.page_text import write
        from proxy.admin.process import own_figures

        process = await trio.to_thread.run_sync(own_figures)
        content_type = content_type_for(asked.accept)
        with beside_traffic():  # not in a thread, but thousands of things are made all the same
            text = self._metrics_told.text(await self._state.figures(), content_type, process)
            body = await write(text, self._state.give_way, compresses=asked.takes_gzip)
        return Page(200, content_type, body, COMPRESSED if asked.takes_gzip else ())

    @cached_property
    def _metrics_told(self) -> "Metrics":
        from proxy.admin.metrics import Metrics

        return Metrics()

    async def beside(self, make: Callable[..., T], *of: Any) -> T:
        """Do in a thread what takes long."""
        return await self._render(make, *of)

    async def _render(self, make: Callable[..., T], *of: Any) -> T:
        def make_beside_traffic() -> T:
            with beside_traffic():
                return make(*of)

        return await trio.to_thread.run_sync(make_beside_traffic, abandon_on_cancel=True, limiter=self._rendering)


_TITLES: Final = {400: "The query is wrong.", 404: "There is nothing to show.", 409: "That cannot be done now."}


_ALONE: Final = "This gateway is one process without a supervisor (workers: 0); start it anew instead."


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise AdminProblem(400, f"{text[:32]!r} is no {name}; write a whole number.")
    return int(text)


def _parameters(query: str) -> Query:
    from urllib.parse import parse_qsl

    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=PARAMETERS_MAX, errors="strict")
    except ValueError as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeError) else f"it has more than {PARAMETERS_MAX} parameters"
        raise AdminProblem(400, f"The query cannot be read: {why}.") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def one_of(query: Query, known: Sequence[str], several: Sequence[str] = ()) -> dict[str, str]:
    """Return the value of each parameter that is given. `AdminProblem` for an unknown one, and for one given twice.

    several: those that may be given more than once, which are left out here.
    """
    for name, values in query.items():
        if name not in known and name not in several:
            takes = ", ".join((*known, *several))
            raise AdminProblem(400, f"There is no parameter {name!r} here; write {takes}.")
        if len(values) > 1 and name not in several:
            raise AdminProblem(400, f"The parameter {name} is there {len(values)} times; write it once.")
    return {name: values[0] for name, values in query.items() if name in known}


def _selection(query: Query) -> Selection:
    given = one_of(query, Selection._fields)
    return Selection(limit=limit_of(given.pop("limit", str(LIMIT)), LIMIT_MAX), **given)


def limit_of(text: str, most: int) -> int:
    """Return how many rows are wanted. `AdminProblem` for what is no whole number from 1 to most."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= most):
        raise AdminProblem(400, f"{text[:32]!r} is no limit; write a whole number from 1 to {most}.")
    return int(text)
