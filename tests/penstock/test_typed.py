"""Typed handlers: what annotations say is decoded and checked, and what is wrong is named to the field."""

import datetime
import enum
import functools
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest

from penstock import Call, FieldProblem, InvalidInput, RegistrationError, Service, testing
from penstock.testing_socket import NotAccepted

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Line(msgspec.Struct):
    sku: str
    quantity: Positive
    prices: dict[str, int] = {}


class Order(msgspec.Struct):
    lines: list[Line]
    stock: dict[str, dict[str, Positive]] = {}
    by_day: dict[int, int] = {}
    note: Annotated[str, msgspec.Meta(max_length=5)] = ""


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class Page(msgspec.Struct, rename={"page_size": "page-size"}):
    page: Positive = 1
    page_size: int = 10
    tag: list[str] = []
    ratio: float = 1.0


class Tree(msgspec.Struct):
    kids: dict[str, "Tree"] = {}


class Odd(msgspec.Struct):
    total: int

    def __post_init__(self) -> None:
        if self.total % 2 == 0:
            raise ValueError("the total is even")


class Color(enum.Enum):
    RED = "red"


class Store:
    """No data: something that a handler is given by its author."""


STORE = Store()
PAGE = Page()


def make(path: str, handler: Any, method: str = "POST", **options: Any) -> Service:
    service = Service("s", version="1.0.0")
    service.endpoint(method, path, **options)(handler)
    return service


def post(handler: Any, body: bytes, content_type: str | None = "application/json") -> testing.Response:
    headers = {} if content_type is None else {"content-type": content_type}
    return testing.call_nowait(make("/", handler), "POST", "/", body=body, headers=headers)


def get(path: str, handler: Any, target: str) -> testing.Response:
    return testing.call_nowait(make(path, handler, "GET"), "GET", target)


def take_order(call: Call, body: Order) -> Order:
    return body


class TestBody:
    def test_it_is_decoded_and_the_result_encoded(self) -> None:
        response = post(take_order, b'{"lines": [{"sku": "a", "quantity": 2}]}')
        assert response.status == 200
        assert response.json()["lines"] == [{"sku": "a", "quantity": 2, "prices": {}}]

    async def test_async(self) -> None:
        async def take(call: Call, order: Order) -> int:
            return len(order.lines)

        body = {"lines": [{"sku": "a", "quantity": 0}]}
        assert (await testing.call(make("/", take), "POST", "/", json={"lines": []})).json() == 0
        assert (await testing.call(make("/", take), "POST", "/", json=body)).status == 422

    @pytest.mark.parametrize(
        ("body", "where", "problem"),
        [
            (
                b'{"lines": [{"sku":"a","quantity":1}, {"sku":"b","quantity":0}]}',
                "lines[1].quantity",
                "expected int >= 1",
            ),
            (b'{"lines": [{"sku":"a","quantity":"1"}]}', "lines[0].quantity", "expected int, got str"),
            (b'{"lines": [{"sku":"a","quantity":1.5}]}', "lines[0].quantity", "expected int, got float"),
            (b'{"lines": [{"sku":"a"}]}', "lines[0].quantity", "is missing"),
            (b"{}", "lines", "is missing"),
            (b'{"lines": {}}', "lines", "expected array, got object"),
            (b'{"lines": [], "note": "longer"}', "note", "expected str of length <= 5"),
            (
                b'{"lines": [{"sku":"a","quantity":1,"prices":{"eur": 1, "u.s[d]": "2"}}]}',
                'lines[0].prices["u.s[d]"]',
                "expected int, got str",
            ),
            (b'{"lines": [], "stock": {"a": {"x": 1}, "b": {"y": 1, "z": 0}}}', 'stock["b"]["z"]', "expected int >= 1"),
            (b'{"lines": [], "by_day": {"1": 1, "x": 2}}', 'by_day["x"]', "its key: expected int, got str"),
            # The key is there twice, and the decoder failed at the one that does not count: it is not named.
            (b'{"lines": [], "by_day": {"1": "x", "1": 2}}', "by_day[...]", "expected int, got str"),
        ],
    )
    def test_the_field_that_is_wrong_is_named(self, body: bytes, where: str, problem: str) -> None:
        response = post(take_order, body)
        assert response.status == 422
        assert response.headers["content-type"] == "application/problem+json"
        answer = response.json()
        assert answer["errors"] == [{"where": f"body.{where}", "problem": problem}]
        assert (answer["reason"], answer["detail"]) == ("invalid_input", f"body.{where}: {problem}")
        assert answer["title"] == "Unprocessable Entity"
        assert answer["request_id"] == "test-request"

    def test_the_whole_body_may_be_wrong(self) -> None:
        assert post(take_order, b"[]").json()["errors"] == [{"where": "body", "problem": "expected object, got array"}]

    def test_what_a_struct_checks_itself(self) -> None:
        def take(call: Call, body: list[Odd]) -> None: ...

        assert post(take, b'[{"total": 2}]').json()["errors"] == [{"where": "body[0]", "problem": "the total is even"}]

    def test_a_field_that_is_not_known(self) -> None:
        def take(call: Call, body: Strict) -> None: ...

        answer = post(take, b'{"name": "x", "nmae": 1}').json()
        assert answer["errors"] == [{"where": "body.nmae", "problem": "is not known"}]

    def test_what_is_repeated_is_shortened(self) -> None:
        def take(call: Call, body: Strict) -> None: ...

        (found,) = post(take, b'{"name": "x", "' + b"n" * 500_000 + b'": 1}').json()["errors"]
        assert len(found["where"]) == 200
        assert found["where"].startswith("body.nnn")

        def paint(call: Call, body: list[Color]) -> None: ...

        (found,) = post(paint, b'["' + b"n" * 500_000 + b'"]').json()["errors"]
        assert (found["where"], found["problem"][:24], len(found["problem"])) == (
            "body[0]",
            "invalid enum value 'nnnn",
            200,
        )

    def test_dicts_within_many_dicts_are_not_searched(self) -> None:
        def take(call: Call, body: Tree) -> None: ...

        def where(depth: int) -> str:
            body = b'{"kids": {"x": ' * depth + b"1" + b"}}" * depth
            found: str = post(take, body).json()["errors"][0]["where"]
            return found

        assert where(8) == "body" + '.kids["x"]' * 8
        assert where(9) == "body" + ".kids[...]" * 9

    def test_anything(self) -> None:
        def take(call: Call, body: Any, store: Any = STORE) -> Any:
            return body

        assert post(take, b'[1, {"a": null}]').json() == [1, {"a": None}]
        assert post(take, b"[").status == 400

    def test_a_large_body_keeps_what_msgspec_says(self) -> None:
        body = b'{"lines": [], "by_day": {"1": "x"}, "note": "' + b"n" * 70_000 + b'"}'
        assert post(take_order, body).json()["errors"][0]["where"] == "body.by_day[...]"

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"nope", b'{"lines": []} x', b'{"lines": [], "note": "\xff"}', b"[" * 100_000]
    )
    def test_what_is_no_json_is_400(self, body: bytes) -> None:
        def take(call: Call, body: list[Any]) -> None: ...

        response = post(take if body.startswith(b"[") else take_order, body)
        assert (response.status, response.json()["reason"]) == (400, "malformed_json")

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "", None]
    )
    def test_another_content_type_is_415(self, content_type: str | None) -> None:
        response = post(take_order, b'{"lines": []}', content_type)
        assert (response.status, response.json()["reason"]) == (415, "unsupported_media_type")

    @pytest.mark.parametrize("content_type", ["Application/JSON; charset=utf-8", "application/merge-patch+json"])
    def test_content_types_that_are_json(self, content_type: str) -> None:
        assert post(take_order, b'{"lines": []}', content_type).status == 200

    def test_an_optional_body(self) -> None:
        def take(call: Call, body: Order | None = None) -> bool:
            return body is None

        assert post(take, b"", None).json() is True
        assert post(take, b'{"lines": []}').json() is False
        assert post(take, b'{"lines": 1}').status == 422

    def test_a_collection_is_the_body_under_any_name(self) -> None:
        def take(call: Call, numbers: list[int]) -> int:
            return sum(numbers)

        assert post(take, b"[1, 2]").json() == 3


class TestPath:
    @pytest.mark.parametrize(
        ("kind", "text", "value"),
        [
            (int, "42", 42),
            (int, "-7", -7),
            (float, "1.5", 1.5),
            (float, "1e3", 1000.0),
            (bool, "true", True),
            (bool, "0", False),
            (uuid.UUID, "00000000-0000-0000-0000-000000000003", uuid.UUID(int=3)),
            (datetime.date, "2024-02-29", datetime.date(2024, 2, 29)),
            (datetime.datetime, "2024-02-29T10:00:00Z", datetime.datetime(2024, 2, 29, 10, tzinfo=datetime.UTC)),
            (Decimal, "1.10", Decimal("1.10")),
            (Color, "red", Color.RED),
            (Literal["a", "b"], "b", "b"),
            (int | str, "x", "x"),
            (Annotated[str, msgspec.Meta(max_length=3)], "%41b", "Ab"),
        ],
    )
    def test_a_part_is_converted(self, kind: Any, text: str, value: Any) -> None:
        seen = []

        def find(call: Call, part: kind) -> None:
            seen.append(part)

        assert get("/{part}", find, f"/{text}").status == 204
        assert seen == [value]
        assert type(seen[0]) is type(value)

    @pytest.mark.parametrize(
        ("kind", "text", "problem"),
        [
            (int, "x", "expected int, got str"),
            (int, "5.0", "expected int, in digits"),
            (int, "1e3", "expected int, in digits"),
            (int, "+5", "expected int, got str"),
            (int, "%205", "expected int, got str"),
            (int, "9" * 5000, "integer value out of range"),
            (Positive, "0", "expected int >= 1"),
            (float, "nan", "expected a finite number"),
            (float, "-inf", "expected a finite number"),
            (Decimal, "NaN", "expected a finite number"),
            (bool, "yes", "expected bool, got str"),
            (uuid.UUID, "x", "invalid UUID"),
            (datetime.date, "2023-02-29", "invalid RFC3339 encoded date"),
            (Color, "blue", "invalid enum value 'blue'"),
            (Annotated[str, msgspec.Meta(max_length=3)], "abcd", "expected str of length <= 3"),
        ],
    )
    def test_what_cannot_be_converted_is_422(self, kind: Any, text: str, problem: str) -> None:
        def find(call: Call, part: kind) -> None: ...

        response = get("/{part}", find, f"/{text}")
        assert response.status == 422
        found = response.json()["errors"][0]
        assert (found["where"], found["problem"].lower()) == ("path.part", problem.lower())

    def test_several_parts_and_those_without_a_type(self) -> None:
        def find(call: Call, b: int, a: str, **rest: Any) -> Any:
            return [a, b, rest]

        assert get("/{a}/{b}/{c}", find, "/1/2/%33").json() == ["1", 2, {"c": "3"}]

    def test_annotations_as_text(self) -> None:
        def find(call: "Call", part: "int", day: "datetime.date | None" = None) -> Any:
            return [part, day]

        assert get("/{part}", find, "/7?day=2024-01-02").json() == [7, "2024-01-02"]

    def test_methods_partials_and_objects(self) -> None:
        class Desk:
            def find(self, call: Call, part: int, is_admin: bool = False) -> Any:
                return [part, is_admin]

            def __call__(self, call: Call, part: int) -> int:
                return part

        assert get("/{part}", Desk().find, "/7?is_admin=true").json() == [7, True]
        assert get("/{part}", Desk(), "/7").json() == 7
        bound = functools.partial(Desk().find, is_admin=False)
        assert get("/{part}", bound, "/7?is_admin=true").json() == [7, False]

    async def test_a_streaming_handler_and_one_that_yields(self) -> None:
        async def count(call: Call, to: int) -> Any:
            for number in range(to):
                yield str(number)

        service = make("/{to}", count, "GET", streams=True)
        assert (await testing.call(service, "GET", "/3")).text == "012"
        assert (await testing.call(service, "GET", "/x")).status == 422

    async def test_a_websocket(self) -> None:
        service = Service("s", version="1.0.0")

        @service.websocket("/rooms/{room}")
        async def chat(socket: Any, room: int, loud: bool = False) -> None:
            await socket.send(f"{room + 1} {loud}")

        async with testing.websocket(service, "/rooms/7?loud=true") as socket:
            assert await socket.receive() == "8 True"
        with pytest.raises(NotAccepted) as raised:
            async with testing.websocket(service, "/rooms/x"):
                pass
        assert raised.value.response.status == 422


class TestQuery:
    def test_fields_with_defaults(self) -> None:
        def find(call: Call, page: int = 1, tag: tuple[str, ...] = (), ids: list[int] | None = None) -> Any:
            return [page, tag, ids]

        assert get("/", find, "/").json() == [1, [], None]
        assert get("/", find, "/?page=2&tag=a&tag=b&ids=1&ids=2&other=x").json() == [2, ["a", "b"], [1, 2]]

    @pytest.mark.parametrize(
        ("query", "where", "problem"),
        [
            ("page=x", "page", "expected int, got str"),
            ("page=", "page", "expected int, got str"),
            ("page=1&page=2", "page", "expected one value, got 2"),
            ("ids=1&ids=x", "ids[1]", "expected int, got str"),
            ("ratio=nan", "ratio", "expected a finite number"),
            ("ratios=1&ratios=inf", "ratios[1]", "expected a finite number"),
        ],
    )
    def test_fields_that_are_wrong(self, query: str, where: str, problem: str) -> None:
        def find(
            call: Call, page: int = 1, ids: list[int] | None = None, ratio: float = 0, ratios: list[float] | None = None
        ) -> None: ...

        response = get("/", find, f"/?{query}")
        assert response.status == 422
        assert response.json()["errors"] == [{"where": f"query.{where}", "problem": problem}]

    def test_as_a_struct(self) -> None:
        def find(call: Call, query: Page) -> Page:
            return query

        assert get("/", find, "/?page=2&page-size=5&tag=a&x=y").json() == {
            "page": 2,
            "page-size": 5,
            "tag": ["a"],
            "ratio": 1.0,
        }

    @pytest.mark.parametrize(
        ("query", "where", "problem"),
        [
            ("page=0", "page", "expected int >= 1"),
            ("page-size=x", "page-size", "expected int, got str"),
            ("page=1&page=2", "page", "expected one value, got 2"),
            ("ratio=inf", "ratio", "expected a finite number"),
        ],
    )
    def test_a_struct_that_is_wrong(self, query: str, where: str, problem: str) -> None:
        def find(call: Call, query: Page) -> None: ...

        assert get("/", find, f"/?{query}").json()["errors"] == [{"where": f"query.{where}", "problem": problem}]

    def test_a_struct_that_forbids_what_it_does_not_know(self) -> None:
        def find(call: Call, query: Strict) -> None: ...

        assert get("/", find, "/").json()["errors"] == [{"where": "query.name", "problem": "is missing"}]
        answer = get("/", find, "/?name=x&nmae=y").json()
        assert answer["errors"] == [{"where": "query.nmae", "problem": "is not known"}]

    def test_what_is_no_text_at_all_is_400(self) -> None:
        def find(call: Call, page: int = 1) -> None: ...

        assert get("/", find, "/?page=%ff").json()["reason"] == "malformed_query"


def test_everything_that_is_wrong_is_told_at_once() -> None:
    def add(call: Call, order_id: int, body: Order, dry_run: bool = False) -> None: ...

    service = make("/{order_id}", add)
    response = testing.call_nowait(service, "POST", "/x?dry_run=perhaps", json={"lines": [3]})
    assert [each["where"] for each in response.json()["errors"]] == ["path.order_id", "body.lines[0]", "query.dry_run"]
    assert response.json()["detail"] == "path.order_id: expected int, got str, and 2 more"
    malformed = testing.call_nowait(service, "POST", "/x", body=b"{", headers={"content-type": "application/json"})
    assert malformed.status == 400  # who cannot write JSON is told that first


def test_a_handler_says_it_too() -> None:
    def take(call: Call, body: Order) -> None:
        raise InvalidInput([FieldProblem("body.lines", "has too many for one parcel")])

    answer = post(take, b'{"lines": []}').json()
    assert answer["errors"] == [{"where": "body.lines", "problem": "has too many for one parcel"}]


class TestWhatIsTheHandlersOwn:
    def test_defaults_that_are_not_from_the_request(self) -> None:
        def find(call: Call, limit=5, _factor: int = 2, store: Store = STORE, *, page: int = 1) -> Any:  # type: ignore[no-untyped-def]
            return [limit, _factor, type(store).__name__, page]

        assert get("/", find, "/?limit=9&_factor=9&store=9&page=9").json() == [5, 2, "Store", 9]

    def test_untyped_handlers_have_no_plan(self) -> None:
        service = make("/{a}/{b}", lambda call, b, a: [a, b], "GET")
        assert service.endpoints[0].plan is None


class TestRegistration:
    def refuse(self, handler: Any, match: str, path: str = "/", method: str = "POST", **options: Any) -> None:
        with pytest.raises(RegistrationError, match=match):
            make(path, handler, method, **options)

    def test_a_body_on_get(self) -> None:
        def find(call: Call, filters: Order) -> None: ...

        self.refuse(find, r"GET /: find\(\) wants 'filters'.*a GET has no body", method="GET")

    def test_two_bodies(self) -> None:
        def take(call: Call, first: Order, second: Line) -> None: ...

        self.refuse(take, "one body, and the handler wants 'first' and 'second'")

    def test_a_body_that_streams(self) -> None:
        async def take(call: Call, body: Order) -> None: ...

        self.refuse(take, r"call\.stream\(\)", streams=True)

    @pytest.mark.parametrize("kind", [Store, list[Store], complex, dict[str, Line | Order]])
    def test_a_body_that_is_no_data(self, kind: Any) -> None:
        def take(call: Call, body: kind) -> None: ...

        self.refuse(take, "cannot be decoded from JSON")

    def test_a_default_that_is_data_but_no_text(self) -> None:
        def take(call: Call, order: Order | None = None) -> None: ...

        self.refuse(take, "call it body or query, or _order")

    def test_a_name_that_is_not_there_at_run_time(self) -> None:
        def take(call: Call, body: "Elsewhere") -> None:  # type: ignore[name-defined]  # noqa: F821
            ...

        self.refuse(take, "Elsewhere, which names nothing here")

    def test_by_position_only(self) -> None:
        def take(call: Call, part: int, /) -> None: ...

        self.refuse(take, "by position only", "/{part}")

    def test_a_query_with_a_default(self) -> None:
        def take(call: Call, query: Page = PAGE) -> None: ...

        self.refuse(take, "give its fields defaults")

    @pytest.mark.parametrize("kind", [dict[str, str], Order, int])
    def test_a_query_that_is_none(self, kind: Any) -> None:
        def take(call: Call, query: kind) -> None: ...

        self.refuse(take, r"has query:", method="GET")

    def test_a_query_and_its_fields(self) -> None:
        def take(call: Call, query: Page, tags: str = "") -> None: ...

        self.refuse(take, "takes the whole query, and tags besides")
