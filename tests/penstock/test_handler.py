import functools
from typing import Any

import pytest

from penstock import Call, RegistrationError, Service, testing


def _service() -> Service:
    return Service("s", version="1.0.0")


class TestRegistration:
    @pytest.mark.parametrize("path", ["a", "", "/a/", "//", "/{", "/{1x}", "/a{b}", "/{x}/{x}", "/a b", "/a?b"])
    def test_a_path_that_is_no_template(self, path: str) -> None:
        with pytest.raises(RegistrationError, match="GET "):
            _service().get(path)(lambda call, **parts: None)

    def test_a_method_that_is_none(self) -> None:
        with pytest.raises(RegistrationError, match="'FETCH', and not one of GET"):
            _service().endpoint("fetch", "/")(lambda call: None)

    @pytest.mark.parametrize("deadline_ms", [0, -1, 2**32])
    def test_a_deadline_out_of_range(self, deadline_ms: int) -> None:
        with pytest.raises(RegistrationError, match="deadline"):
            _service().get("/", deadline_ms=deadline_ms)(lambda call: None)

    def test_a_part_that_the_handler_does_not_take(self) -> None:
        def find(call: Call, number: str) -> None: ...

        with pytest.raises(RegistrationError, match=r"write def find\(call, order\)"):
            _service().get("/{order}")(find)

    def test_a_parameter_that_the_path_does_not_name(self) -> None:
        def find(call: Call, number: str) -> None: ...

        with pytest.raises(RegistrationError, match=r"wants 'number', which the path does not name"):
            _service().get("/orders")(find)

    def test_a_handler_that_takes_no_call(self) -> None:
        with pytest.raises(RegistrationError, match="takes no call"):
            _service().get("/orders")(lambda: None)

    @pytest.mark.parametrize("annotation", [bytes, "bytes", dict, list[int], Call, "dict[str, int]"])
    def test_a_part_is_text(self, annotation: Any) -> None:
        def find(call: Call, number: str) -> None: ...

        find.__annotations__["number"] = annotation
        with pytest.raises(RegistrationError, match="write number: str"):
            _service().get("/{number}")(find)

    def test_what_cannot_be_called(self) -> None:
        handler: Any = 42
        with pytest.raises(RegistrationError, match="cannot be called"):
            _service().get("/")(handler)

    def test_a_generator(self) -> None:
        def stream(call: Call) -> Any:
            yield 1

        with pytest.raises(RegistrationError, match="yields"):
            _service().get("/")(stream)

    def test_an_async_generator(self) -> None:
        async def stream(call: Call) -> Any:
            yield 1

        with pytest.raises(RegistrationError, match="yields"):
            _service().get("/")(stream)


class TestArguments:
    @pytest.mark.parametrize(
        ("target", "value"),
        [
            ("/x/plain", "plain"),
            ("/x/a%2Fb", "a/b"),
            ("/x/%C3%A9?y=%ff", "é"),
            ("/x/a+b", "a+b"),
            ("/x/q?x=/y", "q"),
            ("/x/" + "n" * 4000, "n" * 4000),
        ],
    )
    def test_decoded(self, target: str, value: str) -> None:
        service = _service()
        service.get("/x/{part}")(lambda call, part: part)
        assert testing.call_nowait(service, "GET", target).text == value

    @pytest.mark.parametrize("target", ["/x/%ff", "/x/%C3", "/x/a%80?b"])
    def test_what_is_no_utf8_is_400(self, target: str) -> None:
        service = _service()
        service.get("/x/{part}")(lambda call, part: part)
        response = testing.call_nowait(service, "GET", target)
        assert (response.status, response.json()["reason"]) == (400, "malformed_path")

    def test_the_order_of_the_parameters_is_the_handlers(self) -> None:
        service = _service()
        service.get("/{a}/x/{b}")(lambda call, b, a: f"a={a} b={b}")
        assert testing.call_nowait(service, "GET", "/1/x/%32").text == "a=1 b=2"

    def test_in_the_paths_order(self) -> None:
        service = _service()
        service.get("/{a}/x/{b}")(lambda call, a, b, c="c": f"{a}{b}{c}")
        assert testing.call_nowait(service, "GET", "/1/x/2").text == "12c"

    def test_by_keyword_only(self) -> None:
        service = _service()
        service.get("/{a}/{b}")(lambda call, *, b, a: f"a={a} b={b}")
        assert testing.call_nowait(service, "GET", "/1/2").text == "a=1 b=2"

    def test_any_keywords(self) -> None:
        service = _service()
        service.get("/{a}/{b}")(lambda call, **parts: parts)
        assert testing.call_nowait(service, "GET", "/1/2").json() == {"a": "1", "b": "2"}

    def test_a_default_before_the_part(self) -> None:
        service = _service()
        service.get("/{a}")(lambda call, limit=5, a="": [limit, a])
        assert testing.call_nowait(service, "GET", "/1").json() == [5, "1"]

    def test_all_parts_are_params(self) -> None:
        service = _service()
        service.get("/{a}/{b}")(lambda call, a, b: call.params)
        assert testing.call_nowait(service, "GET", "/1/%32").json() == {"a": "1", "b": "2"}


class TestKindsOfHandler:
    async def test_a_decorated_async_function(self) -> None:
        async def inner(call: Call) -> str:
            return "async"

        @functools.wraps(inner)
        def outer(call: Call) -> Any:
            return inner(call)

        service = _service()
        service.get("/")(outer)
        assert (await testing.call(service, "GET", "/")).text == "async"

    async def test_an_object_with_an_async_call(self) -> None:
        class Handler:
            async def __call__(self, call: Call) -> str:
                return "object"

        service = _service()
        service.get("/")(Handler())
        assert (await testing.call(service, "GET", "/")).text == "object"

    async def test_a_bound_method_and_a_partial(self) -> None:
        class Desk:
            async def find(self, call: Call, name: str) -> str:
                return name

            def count(self, call: Call, start: int) -> str:
                return str(start)

        service = _service()
        service.get("/find/{name}")(Desk().find)
        service.get("/count")(functools.partial(Desk().count, start=3))
        assert (await testing.call(service, "GET", "/find/x")).text == "x"
        assert testing.call_nowait(service, "GET", "/count").text == "3"

    def test_a_coroutine_from_a_plain_function_is_said(self, caplog: pytest.LogCaptureFixture) -> None:
        async def inner() -> str:
            return "never"

        service = _service()
        service.get("/")(lambda call: inner())
        assert testing.call_nowait(service, "GET", "/").json()["reason"] == "bad_answer"
        assert "write the handler with `async def`" in caplog.text
