"""The operator page as it is sent; how it looks and works is tested in a browser."""

import re

import pytest
from admin_support import STATE, state_with

from proxy.admin.operator_page import digest, operator_page
from proxy.admin.pages import Pages

HEADERS = dict(operator_page().headers)
TEXT = operator_page().body.decode("utf-8")


async def test_it_is_shown_to_whoever_asks_since_it_holds_no_figures() -> None:
    page = await Pages(state_with(token=lambda: "correct horse")).page("GET", "/")
    assert (page.status, page.content_type) == (200, "text/html; charset=utf-8")
    assert page.body == (await Pages(STATE).page("GET", "/")).body


def test_browsers_run_nothing_but_its_own_script() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy["script-src"])
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", policy["style-src"])
    assert (policy["connect-src"], policy["img-src"]) == ("'self'", "data:")
    assert [policy[name] for name in ("frame-ancestors", "base-uri", "form-action")] == ["'none'"] * 3
    assert HEADERS["x-content-type-options"] == "nosniff"


def test_it_needs_nothing_from_elsewhere() -> None:
    outside = re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(?!data:)([a-z]+:|//)[^"'\s)]*""", TEXT)
    assert outside == []
    assert "innerHTML" not in TEXT
    assert "insertAdjacentHTML" not in TEXT
    assert " style=" not in TEXT  # the policy would refuse it
    assert not re.search(r"\son[a-z]+=", TEXT.split("<script>")[0])


def test_the_digest_is_that_of_the_only_element() -> None:
    assert digest(b"<script></script>", b"script") == "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    for page in (b"", b"<script>a</script><script>b</script>", b"<script src=a></script>"):
        with pytest.raises(ValueError, match="one plain element script"):
            digest(page, b"script")
