"""The operator page: one HTML file that shows `/top` and `/records`, live, in a browser.

It holds no figures, so it is shown to whoever asks; its script asks for them, and shows the token where one is set.
What services, clients and settings say reaches the document as text alone. Beyond that, the browser is told to run
nothing but this very script: its digest is in the Content-Security-Policy, and nothing may come from elsewhere.
"""

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files

from proxy.admin.pages import Page

CONTENT_TYPE = "text/html; charset=utf-8"


@cache
def operator_page() -> Page:
    """Return the page, with what browsers are told about it."""
    body = files("proxy.admin").joinpath("operator_page.html").read_bytes()
    policy = "; ".join(
        (
            "default-src 'none'",
            f"script-src '{digest(body, b'script')}'",
            f"style-src '{digest(body, b'style')}'",
            "img-src data:",
            "connect-src 'self'",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )
    headers = (
        ("content-security-policy", policy),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
    )
    return Page(200, CONTENT_TYPE, body, headers)


def digest(page: bytes, tag: bytes) -> str:
    """Return what a Content-Security-Policy calls the only element with that tag."""
    before, separator, rest = page.partition(b"<%s>" % tag)
    inside, _, after = rest.partition(b"</%s>" % tag)
    if not separator or b"<%s" % tag in before + after:
        raise ValueError(f"the page does not have one plain element {tag.decode()}")
    return f"sha256-{b64encode(sha256(inside).digest()).decode()}"
