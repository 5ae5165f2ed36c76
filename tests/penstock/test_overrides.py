"""The file that changes what the code says of its endpoints."""

from pathlib import Path

import pytest

from penstock import Service
from penstock.settings import SettingsError, load_service_settings

SETTINGS = load_service_settings({})


def make(path: Path | None) -> Service:
    service = Service("billing", version="1.0.0", access="authenticated", overrides=path)
    options = {"claims": {"scope": ["read"]}, "deadline_ms": 100, "body_bytes": 10, "rate_limits": ["1/s"]}
    service.get("/invoices/{id}", **options)(lambda call, **parts: None)  # type: ignore[arg-type]
    service.post("/invoices")(lambda call: None)
    return service


def write(folder: Path, text: str) -> Path:
    path = folder / "billing.yaml"
    path.write_text(text)
    return path


def test_what_stands_there_takes_the_codes_place(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
endpoints:
  GET /invoices/{id}:
    deadline: 1.5s
    claims: {scope: [read, all], staff: "*"}
    rate_limits: [100/s by tenant, 5/s by address]
  POST /invoices:
    access: public
    body_bytes: 64KiB
""",
    )
    get, post = make(path).hello(SETTINGS).listed
    assert (get.deadline_ms, get.access, get.body_bytes) == (1500, "authenticated", 10)
    assert get.claims == {"scope": ("all", "read"), "staff": ()}
    assert get.rate_limits == ("100/s by tenant", "5/s by address")
    assert (post.access, post.body_bytes, post.claims, post.deadline_ms) == ("public", 65_536, {}, None)


def test_it_may_loosen(tmp_path: Path) -> None:
    lifted = "{deadline: none, body_bytes: none, claims: {}, rate_limits: [], access: public}"
    text = f"endpoints: {{'GET /invoices/{{id}}': {lifted}}}"
    get, _ = make(write(tmp_path, text)).hello(SETTINGS).listed
    assert (get.deadline_ms, get.body_bytes, get.claims, get.rate_limits) == (None, None, {}, ())
    assert get.access == "public"


@pytest.mark.parametrize("text", ["", "endpoints:", "endpoints: {}", "endpoints: {POST /invoices: }"])
def test_nothing_in_it_changes_nothing(tmp_path: Path, text: str) -> None:
    assert make(write(tmp_path, text)).hello(SETTINGS).listed == make(None).hello(SETTINGS).listed


def test_the_setting_names_another(tmp_path: Path) -> None:
    code, setting = tmp_path / "missing.yaml", write(tmp_path, "endpoints: {POST /invoices: {deadline: 5ms}}")
    settings = load_service_settings({"PENSTOCK_SERVICE_OVERRIDES": str(setting)})
    assert make(code).hello(settings).listed[1].deadline_ms == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "endpoints:\n  GET /invoice/{id}:\n    deadline: 1s",
            "unknown_endpoint: endpoints.GET /invoice/{id} (FILE:2): the service has no such endpoint; "
            "did you mean GET /invoices/{id}?",
        ),
        (
            "endpoints:\n  DELETE /x: {}",
            "unknown_endpoint: endpoints.DELETE /x (FILE:2): the service has no such endpoint; "
            "write one of GET /invoices/{id}, POST /invoices",
        ),
        (
            "endpoints:\n  POST /invoices:\n    dedline: 1s",
            "unknown_key: endpoints.POST /invoices.dedline (FILE:3): there is no such key; did you mean deadline?",
        ),
        (
            "endpoints:\n  POST /invoices:\n    deadline: 1",
            "bad_value: endpoints.POST /invoices.deadline = 1 (FILE:3): a duration needs a unit; write 1s or 1ms",
        ),
        (
            "endpoints:\n  POST /invoices:\n    deadline: 0ms",
            "bad_value: endpoints.POST /invoices (FILE:2): deadline_ms is 0, and must be 1 to "
            "4,294,967,295; correct it",
        ),
        (
            "endpoints:\n  POST /invoices:\n    access: all",
            "bad_value: endpoints.POST /invoices.access = all (FILE:3): 'all' is none of public, authenticated; "
            "write public or authenticated",
        ),
        (
            "endpoints:\n  POST /invoices:\n    rate_limits: [1/s, often]",
            "bad_value: endpoints.POST /invoices.rate_limits[1] = often (FILE:3): 'often' is no rate limit; "
            "write how many in which time, like 100/s by tenant burst 20",
        ),
        (
            "endpoints:\n  GET /invoices/{id}:\n    access: public",
            "bad_value: endpoints.GET /invoices/{id} (FILE:2): is public and has claims, which nobody without an "
            "identity can meet; take one of the two away; correct it",
        ),
        (
            "endpoints:\n  POST /invoices:\n    streams: true",
            "bad_value: endpoints.POST /invoices.streams = true (FILE:3): how a handler reads and answers is said in "
            "its code; remove it, or change the code",
        ),
        (
            "endpoint: {}",
            "unknown_key: endpoint (FILE:1): there is no such setting; did you mean endpoints?",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(SettingsError) as raised:
        make(path).hello(SETTINGS)
    assert str(raised.value) == message.replace("FILE", str(path))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="file_missing"):
        make(tmp_path / "x.yaml").hello(SETTINGS)
