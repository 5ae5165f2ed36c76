"""Paths that are one endpoint's for the gateway and another's for the application.

The gateway matches a path as text, in its normal form, and by that decides who may ask. An application matches what is
decoded: for it `/users/%40me` is `/users/@me`, and `/a%2Fb`, where the gateway lets it through, is `/a/b`. Where that
is another endpoint, the rules of that one were not asked, so such a path is refused.
"""

import re
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes

from frames.template import parameter_name, wildcard_name
from penstock.errors import BadRequest
from penstock.streaming import StreamCall

__all__ = ["Spellings"]

Handle = Callable[[StreamCall], Coroutine[Any, Any, None]]

_LITERAL: Final = "/-._~!$&'()*+,;=:@"


class Spellings:
    """The paths of an application's endpoints, by the text that the gateway knows and by what that is decoded."""

    def __init__(self, templates: Iterable[str]) -> None:
        """templates: of all endpoints."""
        self._patterns = [(_pattern(each, _as_is), _pattern(each, unquote_to_bytes)) for each in templates]

    def is_of_another(self, path: bytes) -> bool:
        """Whether an endpoint has the path only when it is decoded. path: as it came, in its normal form."""
        decoded = unquote_to_bytes(path)
        if quote(decoded, safe=_LITERAL).encode("ascii") == path:
            return False  # nothing is encoded that need not be
        return any(then.fullmatch(decoded) and not now.fullmatch(path) for now, then in self._patterns)

    def guard(self, handle: Handle) -> Handle:
        """Return what handles calls so, and refuses those whose path is another endpoint's."""

        def guarded(call: StreamCall) -> Coroutine[Any, Any, None]:
            target = call.raw_target
            if b"%" in target and self.is_of_another(target.partition(b"?")[0]):
                raise BadRequest("malformed_path", "the path encodes what need not be, and decoded it is another one's")
            return handle(call)

        return guarded


def _as_is(text: bytes) -> bytes:
    return text


def _pattern(template: str, read: Callable[[bytes], bytes]) -> re.Pattern[bytes]:
    """Return what a template matches. read: makes of a literal segment what stands in the paths that are matched."""
    return re.compile(b"/" + b"/".join(_part(segment, read) for segment in template[1:].split("/")), re.DOTALL)


def _part(segment: str, read: Callable[[bytes], bytes]) -> bytes:
    if wildcard_name(segment) is not None:
        return b".*"
    return b"[^/]+" if parameter_name(segment) is not None else re.escape(read(segment.encode("ascii")))
