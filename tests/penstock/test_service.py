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
