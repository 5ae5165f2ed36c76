"""Who may come in, and with which paths; and that a refusal leaks nothing."""

import pytest

from frames.errors import GreetingError
from frames.frame import FaultCode
from frames.greeting import EndpointOffer, Hello
from proxy.targets.allow import Admission, AllowList

PROOF = "correct-horse-battery-staple"


def hello(*paths: str, service: str = "billing", token: str | None = None) -> Hello:
    return Hello(
        protocol=1,
        features=(),
        token=token,
        service=service,
        version="1.0.0",
        instance="b1",
        heartbeat_ms=5000,
        credit_bytes=0,
        endpoints=tuple(EndpointOffer(id=index, method="GET", path=path) for index, path in enumerate(paths)),
    )


def refusal(allow: AllowList, offered: Hello) -> GreetingError:
    with pytest.raises(GreetingError) as caught:
        allow.check(offered)
    return caught.value


def test_without_settings_all_may_register_all() -> None:
    AllowList().check(hello("/", "/anything/{at_all}", service="anybody"))


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("/invoices", "/invoices"),
        ("/invoices", "/invoices/{id}/lines"),
        ("/invoices/", "/invoices"),
        ("/", "/"),
        ("/", "/whatever/{x}"),
        ("/a/b", "/a/b/c"),
        ("/tenants/{tenant}/invoices", "/tenants/{name}/invoices/{id}"),
        ("/tenants/{tenant}/invoices", "/tenants/acme/invoices"),
        ("/files", "/files/{path...}"),
        ("/", "/files/{path...}"),
        ("/", "/{everything...}"),
        ("/files/{path...}", "/files/{rest...}"),
        ("/files/{path...}", "/files/a/{b}/c"),
        ("/tenants/{tenant}", "/tenants/{tenant}/{path...}"),
    ],
)
def test_a_prefix_covers_itself_and_what_is_below(prefix: str, path: str) -> None:
    AllowList({"billing": ["/other", prefix]}).check(hello(path))


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("/invoices", "/invoicesX"),
        ("/invoices", "/invoice"),
        ("/invoices", "/"),
        ("/invoices", "/{anything}"),
        ("/invoices", "/Invoices"),
        ("/invoices", "/%69nvoices"),
        ("/invoices", "/x/invoices"),
        ("/a/b", "/a"),
        ("/a/b", "/a/{b}"),
        ("/tenants/{tenant}/invoices", "/tenants/{tenant}"),
        ("/tenants/{tenant}/invoices", "/tenants/{tenant}/orders"),
        ("/files/a", "/files/{path...}"),
        ("/files/{name}", "/files/{path...}"),
        ("/files", "/{path...}"),
        ("/files", "/filesX/{path...}"),
    ],
)
def test_a_prefix_covers_nothing_else(prefix: str, path: str) -> None:
    error = refusal(AllowList({"billing": [prefix]}), hello(f"{prefix}/fine", path))
    assert error.fault_code is FaultCode.FORBIDDEN
    assert error.message == (
        f"the service 'billing' may not register GET '{path}';"
        " add a prefix of that path to its entry in PENSTOCK_SERVICES_ALLOW of the gateway"
    )


def test_a_service_that_is_not_named_may_not_register() -> None:
    error = refusal(AllowList({"secret-service": ["/secret"]}), hello("/secret"))
    assert error.fault_code is FaultCode.FORBIDDEN
    assert error.message == (
        "the service 'billing' may not register here; add it to PENSTOCK_SERVICES_ALLOW of the gateway"
    )


def test_a_service_that_is_named_without_prefixes_may_register_no_path() -> None:
    allow = AllowList({"billing": []})
    allow.check(hello())
    assert refusal(allow, hello("/")).fault_code is FaultCode.FORBIDDEN


def test_the_right_token_lets_in() -> None:
    AllowList(token=PROOF).check(hello("/invoices", token=PROOF))


@pytest.mark.parametrize("token", [None, "", "x", PROOF[:-1], PROOF + "x", PROOF.upper(), "\udcff", "ä"])
def test_a_missing_or_wrong_token_does_not(token: str | None) -> None:
    error = refusal(AllowList({"billing": ["/secret"]}, PROOF), hello("/invoices", token=token))
    assert error.fault_code is FaultCode.UNAUTHENTICATED
    assert PROOF not in error.message
    assert not token or token not in error.message.split()
    assert "/secret" not in error.message


def test_without_a_token_any_is_let_in() -> None:
    AllowList().check(hello(token=PROOF))


def test_the_token_comes_before_the_names() -> None:
    assert refusal(AllowList({"other": []}, PROOF), hello()).fault_code is FaultCode.UNAUTHENTICATED


def test_the_repr_has_no_token() -> None:
    assert repr(AllowList({"billing": ["/a"]}, PROOF)) == "<AllowList services=1 token=asked>"
    assert repr(AllowList()) == "<AllowList services=all token=none>"


def test_what_is_registered_is_judged_again_without_its_token() -> None:
    admission = Admission(AllowList({"billing": ["/invoices"]}, PROOF))
    admission.check(hello("/invoices", token=PROOF))
    admission.check_again(hello("/invoices"))
    admission.allow = AllowList({"billing": ["/bills"]}, PROOF)
    with pytest.raises(GreetingError, match="may not register GET '/invoices'"):
        admission.check_again(hello("/invoices"))
    with pytest.raises(GreetingError, match="may not register GET '/invoices'"):
        admission.check(hello("/invoices", token=PROOF))
