"""Secrets in lines: those that are known, in every form; and those that are known by what they look like."""

import threading

import msgspec
import pytest

from penstock.settings import Secret
from penstock.telemetry.redaction import KNOWN_MAX, Redactor

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLWFsaWNl"
SECRET = "Zm9vYmFyLXBsYW50ZWQ"  # noqa: S105 - planted here, to be found nowhere

LINES = [
    f"Authorization: Bearer {SECRET}",
    f"authorization: Basic {SECRET}=",
    f"Authorization: {SECRET}",
    f"Proxy-Authorization: Digest {SECRET}",
    f"the header b'authorization: Bearer {SECRET}' is odd",
    f"[(b'authorization', b'Bearer {SECRET}')]",
    f"{{'Authorization': 'Bearer {SECRET}'}}",
    f'{{"authorization": ["Bearer {SECRET}"]}}',
    f"sent bearer {SECRET} to it",
    f"Cookie: session={SECRET}",
    f"Cookie: theme=dark; session={SECRET}; more={SECRET}",
    f"Set-Cookie: session={SECRET}; Path=/; HttpOnly",
    f"{{'cookie': 'theme=dark; session={SECRET}'}}",
    f"[(b'cookie', b'name=\"{SECRET}\"; more={SECRET}')]",
    f"X-Api-Key: {SECRET}",
    f"X-Amz-Security-Token: {SECRET}",
    f"db_password={SECRET}",
    f"x-api-key={SECRET}",
    f"(b'x-api-key', b'{SECRET}')",
    f"it was psk_{SECRET}",
    f"token {JWT} of somebody",
    f"token {JWT}.{SECRET}.{SECRET} of somebody",
    f"GET /things?access_token={SECRET}&page=2",
    f"GET /things?page=2&token={SECRET}",
    f"GET /things?page=2;api_key={SECRET} HTTP/1.1",
    *(
        f"GET /things?page=2&{name}={SECRET}"
        for name in ("code", "sig", "jwt", "auth", "key", "session_id", "assertion")
    ),
    f"password={SECRET}",
    f"'password': '{SECRET}'",
    f'client_secret: "{SECRET}"',
    f"https://alice:{SECRET}@example.org/path",
    f"redis://:{SECRET}@example.org/0",
    f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n{SECRET}\n-----END PRIVATE KEY-----",
    f"-----BEGIN EC PRIVATE KEY-----\n{SECRET}\n{SECRET}",
]


@pytest.mark.parametrize("line", LINES)
def test_what_looks_like_a_secret_is_hidden(line: str) -> None:
    redact = Redactor()
    lines = [
        line,
        msgspec.json.encode({"message": line}).decode(),
        msgspec.json.encode({"message": repr(line)}).decode(),
        msgspec.json.encode({"message": msgspec.json.encode({"inner": line}).decode()}).decode(),
        repr(line),
        repr(line.encode()),
    ]
    for each in lines:
        hidden = redact(each.encode())
        assert SECRET.encode() not in hidden, hidden
        assert JWT.encode() not in hidden, hidden
        assert b"***" in hidden


def test_a_line_of_json_stays_json() -> None:
    redact = Redactor()
    for line in LINES:
        for message in (line, repr(line)):
            hidden = redact(msgspec.json.encode({"message": message, "authorization": line, "last": "x"}))
            assert msgspec.json.decode(hidden)["last"] == "x"


@pytest.mark.parametrize(
    "line",
    [
        "edge on 127.0.0.1:8080, services on 127.0.0.1:7420, admin on 127.0.0.1:9901",
        "18 keys are used from https://issuer.example/keys",
        "a key was left out: it is for signing",
        "two fields of which only one should count: Authorization, X-Api-Key, X-Tenant-Id",
        "services.token is needed where services.listen is not loopback",
        "set services.token (PENSTOCK_SERVICES_TOKEN_FILE)",
        "GET /tokens/7?page=2&sort=key: handler failed",
        "the certificate of billing@example.org at https://billing.example/ is not valid yet",
    ],
)
def test_what_is_no_secret_is_left_alone(line: str) -> None:
    assert Redactor()(line.encode()).decode() == line


def test_known_secrets_in_all_their_forms() -> None:
    secret = 'p"l\\a/n+t&e=d'  # noqa: S105
    redact = Redactor([Secret(secret)])
    shown = (
        *(secret, repr(secret), repr(secret.encode()), msgspec.json.encode(secret).decode()),
        *(msgspec.json.encode(repr(secret)).decode(), "p%22l%5Ca%2Fn%2Bt%26e%3Dd"),
    )
    for text in shown:
        hidden = redact(f"x {text} y".encode())
        assert b"n+t" not in hidden, hidden
        assert b"n%2Bt" not in hidden, hidden


def test_a_secret_that_was_replaced_is_still_hidden() -> None:
    redact = Redactor([Secret("before-rotation")])
    redact.know([Secret("after-rotation"), Secret("")])
    assert redact(b"before-rotation after-rotation") == b"*** ***"


def test_what_is_known_is_bounded() -> None:
    redact = Redactor(Secret(f"number-{number:04}") for number in range(KNOWN_MAX + 1))
    assert redact(b"number-0000 number-0001") == b"number-0000 ***"
    redact.know([Secret("number-0001"), Secret("one-more")])  # the first is known anew, so that the second has to go
    assert redact(b"number-0001 number-0002") == b"*** number-0002"


def test_what_takes_long_is_no_way_to_stop_the_log() -> None:
    redact, lines = Redactor(), [b"cookie: " + b"a=b;" * 50_000, b"eyJ" + b"a." * 100_000, b"://" * 50_000 + b"@"]
    lines += [b"-----BEGIN PRIVATE KEY-----" * 5_000, b"'cookie': '" + b"\\" * 100_000, b"bearer " * 50_000]
    worker = threading.Thread(target=lambda: [redact(line) for line in lines], daemon=True)
    worker.start()
    worker.join(20)
    assert not worker.is_alive()
