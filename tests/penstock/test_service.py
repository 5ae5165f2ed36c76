from typing import Any

import pytest
import trio

from penstock import Call, RegistrationError, Service
from penstock.settings import load_service_settings


def handler(call: Call) -> None:
    """Stands for any."""


@pytest.mark.parametrize("name", ["", "Billing", "1billing", "bill ing", "b" * 65, "billing_x", "-a"])
def test_a_bad_name_is_said_at_once(name: str) -> None:
    with pytest.raises(RegistrationError, match=r"Service\("):
        Service(name, version="1.0.0")


@pytest.mark.parametrize("version", ["", "1", "1.4", "v1.4.0", "1.4.0.0", "01.4.0", "1.4.0-", "1.4.0 "])
def test_a_version_that_is_no_semver_is_said_at_once(version: str) -> None:
    with pytest.raises(RegistrationError, match="version"):
        Service("billing", version=version)


@pytest.mark.parametrize("version", ["0.0.0", "1.4.0-rc.1+build.5"])
def test_semver_with_all_its_parts(version: str) -> None:
    assert Service("billing", version=version).version == version


def test_each_method_has_a_decorator_that_gives_the_function_back() -> None:
    service = Service("all", version="1.0.0")
    for method in ("get", "head", "post", "put", "patch", "delete"):
        assert getattr(service, method)("/x")(handler) is handler
    assert service.endpoint("options", "/x", deadline_ms=5)(handler) is handler
    offered = [(e.id, e.method, e.idempotent) for e in service.endpoints]
    assert offered == [
        (0, "GET", True),
        (1, "HEAD", True),
        (2, "POST", False),
        (3, "PUT", True),
        (4, "PATCH", False),
        (5, "DELETE", True),
        (6, "OPTIONS", False),
    ]
    assert service.endpoints[6].deadline_ms == 5


@pytest.mark.parametrize("method", ["get", "head", "post", "put", "patch", "delete"])
def test_every_decorator_takes_every_option(method: str) -> None:
    service = Service("all", version="1.0.0", access="public")
    getattr(service, method)(
        "/x",
        access="authenticated",
        claims={"scope": ["read", "write"], "staff": []},
        rate_limits=["100/s by tenant"],
        deadline_ms=50,
        idempotent=True,
        streams=False,
        body_bytes=1000,
    )(handler)
    (offer,) = service.hello(load_service_settings({})).listed
    assert (offer.access, offer.claims) == ("authenticated", {"scope": ("read", "write"), "staff": ()})
    assert (offer.rate_limits, offer.deadline_ms, offer.idempotent) == (("100/s by tenant",), 50, True)
    assert (offer.streams, offer.body_bytes) == (False, 1000)


@pytest.mark.parametrize(
    ("of_service", "options", "access"),
    [
        (None, {}, None),
        ("public", {}, "public"),
        ("public", {"access": "authenticated"}, "authenticated"),
        ("authenticated", {"access": "public"}, "public"),
        ("public", {"access": None}, "public"),
        ("public", {"claims": {"scope": ["read"]}}, "authenticated"),
        (None, {"claims": {"scope": ["read"]}}, None),
    ],
)
def test_who_may_ask(of_service: Any, options: Any, access: str | None) -> None:
    service = Service("s", version="1.0.0", access=of_service)
    service.get("/x", **options)(handler)
    assert service.endpoints[0].offer.access == access


def test_a_websocket_has_rules_too() -> None:
    service = Service("s", version="1.0.0", access="public")

    @service.websocket("/x", subprotocols=["chat"], claims={"scope": []}, rate_limits=["1/s"], deadline_ms=9)
    async def chat(socket: Any) -> None: ...

    offer = service.endpoints[0].offer
    assert (offer.method, offer.streams, offer.upgrades) == ("GET", True, ("websocket",))
    assert (offer.access, offer.claims, offer.rate_limits, offer.deadline_ms) == (
        "authenticated",
        {"scope": ()},
        ("1/s",),
        9,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"access": "everybody"}, "GET /x: access is 'everybody', and not one of public, authenticated"),
        ({"access": "public", "claims": {"a": []}}, "GET /x: is public and has claims"),
        ({"claims": {"scope": "read"}}, r"GET /x: claims\['scope'\] is 'read'; write a list of texts"),
        ({"claims": ["scope"]}, "GET /x: claims is a list"),
        ({"claims": {"scope": [""]}}, r"GET /x: claims\['scope'\]\[0\] has 0 characters"),
        ({"rate_limits": "1/s"}, "GET /x: rate_limits is '1/s'; write a list"),
        ({"rate_limits": ["1/s"] * 5}, "GET /x: rate_limits has 5 entries, and at most 4"),
        ({"rate_limits": ["often"]}, "GET /x: rate_limits: 'often' is no rate limit"),
        ({"rate_limits": ["5/s by moon"]}, "GET /x: rate_limits: 'moon' is nothing that is counted by here"),
        ({"body_bytes": -1}, "GET /x: body_bytes is -1, and must be 0 to"),
        ({"deadline_ms": 0}, "GET /x: deadline_ms is 0, and must be 1 to"),
    ],
)
def test_an_option_that_is_wrong(options: Any, message: str) -> None:
    with pytest.raises(RegistrationError, match=message):
        Service("s", version="1.0.0").get("/x", **options)(handler)


def test_an_option_that_is_not_there() -> None:
    options: Any = {"deadline": 5}
    wrong: Any = {"protocols": 5}
    with pytest.raises(TypeError, match="GET /x: there is no option 'deadline'; did you mean deadline_ms"):
        Service("s", version="1.0.0").get("/x", **options)(handler)
    with pytest.raises(TypeError, match="there is no option 'protocols'"):
        Service("s", version="1.0.0").websocket("/x", **wrong)(any_socket)


async def any_socket(socket: Any) -> None:
    """Stands for any."""


def test_an_access_of_the_service_that_is_none() -> None:
    access: Any = "everybody"
    with pytest.raises(RegistrationError, match="access is 'everybody'; write 'public' or 'authenticated'"):
        Service("s", version="1.0.0", access=access)


@pytest.mark.parametrize(("first", "second"), [("/a", "/a"), ("/a/{x}", "/a/{y}")])
def test_the_same_requests_twice_names_the_first(first: str, second: str) -> None:
    service = Service("twice", version="1.0.0")
    service.get(first)(lambda call, **parts: None)
    with pytest.raises(RegistrationError, match=r"test_service\.py:\d+"):
        service.get(second)(lambda call, **parts: None)
    service.post(second)(lambda call, **parts: None)  # another method is another endpoint


def test_too_many_endpoints() -> None:
    service = Service("many", version="1.0.0")
    for number in range(1024):
        service.get(f"/{number}")(handler)
    with pytest.raises(RegistrationError, match="1024"):
        service.get("/one-more")(handler)


def test_hello_has_the_settings_and_an_instance_of_its_own() -> None:
    service = Service("billing", version="1.4.0")
    service.get("/a", deadline_ms=50)(handler)
    settings = load_service_settings({"PENSTOCK_REGION": "eu-1", "PENSTOCK_SERVICE_TOKEN": "s3cret"})
    hello = service.hello(settings)
    assert (hello.region, hello.token) == ("eu-1", "s3cret")
    assert hello.listed[0].deadline_ms == 50
    assert hello.instance.startswith("billing-")
    assert hello.instance != service.hello(settings).instance
    assert "s3cret" not in repr(hello)


def test_no_token_is_none() -> None:
    assert Service("billing", version="1.4.0").hello(load_service_settings({})).token is None


def test_repr() -> None:
    assert repr(Service("billing", version="1.4.0")) == "<Service billing 1.4.0 endpoints=0>"


def test_importing_the_package_loads_no_trio() -> None:
    import subprocess
    import sys
    from pathlib import Path

    source = Path(__file__).parents[2] / "src"
    program = (
        "import sys, penstock, penstock.settings; assert 'Service' in dir(penstock); sys.exit('trio' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(source)}, check=False).returncode == 0


def test_an_unknown_name_of_the_package() -> None:
    import penstock

    with pytest.raises(AttributeError, match="Servis"):
        penstock.Servis  # noqa: B018


async def test_stop_before_any_gateway_ends_serve(autojump_clock: trio.testing.MockClock) -> None:
    service = Service("billing", version="1.4.0")
    stop = trio.Event()
    stop.set()
    with trio.fail_after(5):
        await service.serve(load_service_settings({"PENSTOCK_GATEWAYS": "tcp://127.0.0.1:1"}), stop=stop)
