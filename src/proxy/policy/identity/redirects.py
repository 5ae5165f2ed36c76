"""Redirects that stay where they began. Imported by whoever fetches, since urllib costs megabytes."""

from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request

from .source import SourceError


class SameHost(HTTPRedirectHandler):
    """Follows a redirect to the same scheme, host and port alone."""

    max_redirections = 3

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
        """Return the next request, or raise `SourceError`."""
        if urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            fp.close()
            raise SourceError("it redirects to another host, which is not asked")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
