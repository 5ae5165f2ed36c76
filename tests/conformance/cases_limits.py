"""Every bound of the defaults, at exactly the bound and one past it (RFC 9110, section 5.4; RFC 9112, section 3)."""

from corpus import Case, Seen, bad, get, ok, post

HEAD_BYTES = 16_384
FIELDS = 100
TARGET_BYTES = 8_192
NAME_BYTES = 255
EXPRESS_BODY_BYTES = 65_536


def head_of(size: int) -> bytes:
    """Return a request of so many bytes."""
    return get("X-A: " + "a" * (size - len(get("X-A: "))))


def target_of(size: int) -> str:
    return "/echo?" + "a" * (size - 6)


CASES: list[Case] = [
    ok("9112-2.2-head-at-its-bound", "a head of head_bytes is taken", head_of(HEAD_BYTES)),
    bad("9112-2.2-head-over-its-bound", "one byte more is answered 431", head_of(HEAD_BYTES + 1), 431),
    bad("9112-2.2-head-without-end", "whether or not it ends", b"GET /echo HTTP/1.1\r\nX: " + b"a" * 20_000, 431),
    ok(
        "9110-5.4-fields-at-their-bound",
        "so many fields are taken",
        get(*(f"X-{number}: 1" for number in range(FIELDS - 1))),
    ),
    bad(
        "9110-5.4-fields-over-their-bound",
        "one field more is answered 431",
        get(*(f"X-{number}: 1" for number in range(FIELDS))),
        431,
    ),
    ok(
        "9112-3-target-at-its-bound",
        "a target of target_bytes is taken",
        get(target=target_of(TARGET_BYTES)),
        Seen(target=target_of(TARGET_BYTES)),
    ),
    bad("9112-3-target-over-its-bound", "one byte more is answered 414", get(target=target_of(TARGET_BYTES + 1)), 414),
    bad("9112-3-target-much-over-its-bound", "likewise", get(target=target_of(15_000)), 414),
    ok(
        "9110-5.4-name-at-its-bound",
        "a name of 255 bytes is taken",
        get("x" * NAME_BYTES + ": 1"),
        Seen(fields={"x" * NAME_BYTES: "1"}),
    ),
    bad("9110-5.4-name-over-its-bound", "one byte more is answered 431", get("x" * (NAME_BYTES + 1) + ": 1"), 431),
    ok(
        "9110-5.4-long-value",
        "a value is bounded by the head alone",
        get("X-A: " + "v" * 16_000),
        Seen(fields={"x-a": "v" * 16_000}),
    ),
    ok(
        "9110-8.6-body-of-the-express-lane",
        "a body of body_bytes is carried in the batch",
        post(f"Content-Length: {EXPRESS_BODY_BYTES}", body=b"b" * EXPRESS_BODY_BYTES),
        Seen("POST", body=b"b" * EXPRESS_BODY_BYTES),
    ),
    ok(
        "9110-8.6-body-of-the-task-lane",
        "a larger one by a task",
        post(f"Content-Length: {EXPRESS_BODY_BYTES + 1}", body=b"b" * (EXPRESS_BODY_BYTES + 1)),
        Seen("POST", body=b"b" * (EXPRESS_BODY_BYTES + 1)),
    ),
    bad(
        "9110-15.5.14-body-beyond-all-bounds",
        "a length over every bound is refused before the body",
        post("Content-Length: 9007199254740992"),
        413,
    ),
]
