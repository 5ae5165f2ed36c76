r"""Path templates: what an endpoint's ``path`` may look like (docs/protocol.md, section 5).

A template is ``/`` alone, or segments that each begin with ``/``. A segment is literal text of RFC 3986 ``pchar`` or,
as a whole, a parameter ``{name}``; the last one may be a wildcard ``{name...}``, which matches all that follows its
slash. There is one spelling for one path: no empty segment, no dot segment, and nothing percent-encoded that a
normalised request would not hold that way (``/``, ``\``, ``.``, NUL and what need not be, or in lower case), so that
no template is there that never matches, or that looks like one path and is another.
"""

import re
from typing import Final

from frames.limits import TARGET_BYTES_MAX, TEMPLATE_SEGMENTS_MAX

PARAMETER_SHAPE: Final = "{}"
WILDCARD_SHAPE: Final = "{...}"

_PARAMETER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WILDCARD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\.\.\.\}")
_LITERAL = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})+")
_ENCODED_UNUSUAL = re.compile(r"%(?:2[fF]|5[cC]|2[eE]|00)")
_ENCODED_NEEDLESSLY = re.compile(r"%(?:2[dD]|3[0-9]|[46][1-9A-Fa-f]|[57][0-9Aa]|5[fF]|7[eE])")  # unreserved characters
_LOWER_HEXADECIMAL = re.compile(r"%(?:[a-f].|.[a-f])")
_DOTS_WITH_PARAMETER = re.compile(r"\.\.?(?:;|%3B)")
_NAME = re.compile(r"\{[^/]*?(\.\.\.)?\}")


class TemplateError(ValueError):
    """The text is not a path template; the message says which rule it breaks."""


def parameter_name(segment: str) -> str | None:
    """Return the name when the segment is a parameter ``{name}``, else None; also None for a wildcard."""
    match = _PARAMETER.fullmatch(segment)
    return match[1] if match else None


def wildcard_name(segment: str) -> str | None:
    """Return the name when the segment is a wildcard ``{name...}``, else None."""
    match = _WILDCARD.fullmatch(segment)
    return match[1] if match else None


def template_shape(path: str) -> str:
    """Return the template with parameters as ``{}`` and a wildcard as ``{...}``: templates of one shape match the same
    paths.
    """
    return _NAME.sub(r"{\1}", path) if "{" in path else path


def check_template(path: str) -> None:
    """Raise TemplateError when the path breaks a rule of this page; return nothing when it is a template."""
    if not path.startswith("/"):
        raise TemplateError("must begin with '/'")
    if len(path) > TARGET_BYTES_MAX:
        raise TemplateError(f"has {len(path):,} characters, and at most {TARGET_BYTES_MAX:,} are allowed")
    if path == "/":
        return
    segments = path[1:].split("/")
    if len(segments) > TEMPLATE_SEGMENTS_MAX:
        raise TemplateError(f"has {len(segments):,} segments, and at most {TEMPLATE_SEGMENTS_MAX} are allowed")
    names: set[str] = set()
    for place, segment in enumerate(segments, 1):
        name = _check_segment(segment, is_last=place == len(segments))
        if name is None:
            continue
        if name in names:
            raise TemplateError(f"names the parameter {{{shown(name)}}} twice")
        names.add(name)


def _check_segment(segment: str, *, is_last: bool) -> str | None:
    """Return the name of a parameter or a wildcard, or None for a literal segment; raise TemplateError for others."""
    if not segment:
        raise TemplateError("has an empty segment ('//', or a '/' at the end)")
    if "{" in segment or "}" in segment:
        return _check_name(segment, is_last)
    if segment in {".", ".."}:
        raise TemplateError(f"has the dot segment '{segment}'")
    if _LITERAL.fullmatch(segment) is None:
        raise TemplateError(
            f"has the segment {quoted(segment)}, with a character that RFC 3986 does not allow there; percent-encode it"
        )
    if _ENCODED_UNUSUAL.search(segment):
        raise TemplateError(
            f"has the segment {quoted(segment)}, which encodes '/', '\\', '.' or NUL; no request would match it"
        )
    if _ENCODED_NEEDLESSLY.search(segment) or _LOWER_HEXADECIMAL.search(segment):
        raise TemplateError(
            f"has the segment {quoted(segment)}, which no request would match; write letters, digits and - . _ ~ as"
            " they are, and what is encoded in upper case, as %C3"
        )
    if _DOTS_WITH_PARAMETER.match(segment):
        raise TemplateError(f"has the segment {quoted(segment)}, which some take for a dot segment")
    return None


def _check_name(segment: str, is_last: bool) -> str:
    name = parameter_name(segment)
    if name is not None:
        return name
    name = wildcard_name(segment)
    if name is None:
        raise TemplateError(
            f"has the segment {quoted(segment)}: a parameter is a whole segment, '{{name}}', its name an identifier"
        )
    if not is_last:
        raise TemplateError(f"goes on after the wildcard {quoted(segment)}, which takes all that follows; end it there")
    return name


def shown(text: str, characters_max: int = 60) -> str:
    """Return what a peer wrote, fit for a message: one line of printable ASCII, shortened."""
    short = text if len(text) <= characters_max else text[: characters_max - 3] + "..."
    return short.encode("unicode_escape").decode("ascii")


def quoted(text: str) -> str:
    """Return ``shown(text)`` in quotes."""
    return f"'{shown(text)}'"
