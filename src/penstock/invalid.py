"""Which field of what a client sent is wrong: from the decoder's error to a `FieldProblem`.

msgspec names a place as `$.lines[2].quantity`, but leaves the keys of plain dicts out (`$.prices[...]`). Those are
found here, by decoding less and less of the dict: only after a failure, and only in bodies that are not large.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from penstock.errors import FieldProblem

__all__ = ["body_problem", "field_problem"]

SEARCHED_BYTES_MAX = 65_536
"""Each search for a key decodes the body up to 17 times: 20 ms at this size. A larger one keeps its `[...]`."""

SEARCHED_KEYS_MAX = 8
"""Dicts within dicts: one more level is one more search."""

SHOWN_MAX = 200
"""Characters of a place, and of a problem: both may repeat what the client sent, however long."""

ANY_KEY = "[...]"

_missing = re.compile(r"Object (missing required|contains unknown) field `(.*)`", re.DOTALL).fullmatch
_KEY_PLACE = "`key` in `$"


def field_problem(message: str, root: str) -> FieldProblem:
    """Return what a message of msgspec's says. root: what its `$` stands for, such as `body`."""
    problem, place, is_key = _divide(message)
    return _describe(problem, root + place, is_key)


def body_problem(error: msgspec.ValidationError, body: bytes, decode: Callable[[bytes], Any]) -> FieldProblem:
    """Return which field of a JSON body is wrong, by its name also where that is the key of a dict.

    decode: what failed with this error for this body.
    """
    message = str(error)
    problem, place, is_key = _divide(message)
    if 0 < place.count(ANY_KEY) <= SEARCHED_KEYS_MAX and len(body) <= SEARCHED_BYTES_MAX:
        try:
            document = msgspec.json.decode(body)
            if _fails(document, message, decode):  # else the key is there twice, and is not the one that was kept
                place = _name_keys(place, message, document, decode)
        except (msgspec.MsgspecError, ValueError, LookupError, RecursionError):
            pass  # the rest of the body is no JSON at all
    return _describe(problem, f"body{place}", is_key)


def _describe(problem: str, where: str, is_key: bool) -> FieldProblem:
    if found := _missing(problem):
        is_missing = found[1].startswith("missing")
        return FieldProblem(_short(f"{where}.{found[2]}"), "is missing" if is_missing else "is not known")
    if problem.startswith(("Expected `", "Invalid ")):
        problem = problem[0].lower() + problem[1:].replace("`", "")
    return FieldProblem(_short(where), _short(f"its key: {problem}" if is_key else problem))


def _short(text: str) -> str:
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 3]}..."


def _divide(message: str) -> tuple[str, str, bool]:
    """Divide a message into what is wrong, the place without `$`, and whether it is about a key there."""
    problem, at, place = message.rpartition(" - at ")
    if not at or not place.endswith("`"):
        return message, "", False
    if place.startswith(_KEY_PLACE):
        return problem, place[len(_KEY_PLACE) : -1] + ANY_KEY, True
    return (problem, place[2:-1], False) if place.startswith("`$") else (message, "", False)


def _name_keys(place: str, message: str, document: Any, decode: Callable[[bytes], Any]) -> str:
    """Return the place with every `[...]` replaced by the key that it stands for."""
    named, node = "", document
    while place:
        if place.startswith(ANY_KEY):
            key = _find_key(node, document, message, decode)
            named, place, node = f"{named}[{msgspec.json.encode(key).decode()}]", place[len(ANY_KEY) :], node[key]
        elif place.startswith("["):
            index, _, place = place[1:].partition("]")
            named, node = f"{named}[{index}]", node[int(index)]
        else:
            key = max((key for key in node if _is_at(key, place)), key=len)
            named, place, node = f"{named}.{key}", place[len(key) + 1 :], node[key]
    return named


def _is_at(key: str, place: str) -> bool:
    """Whether the place begins with `.key`; a key may hold dots and brackets itself."""
    return place.startswith(f".{key}") and place[len(key) + 1 : len(key) + 2] in ("", ".", "[")


def _find_key(table: dict[str, Any], document: Any, message: str, decode: Callable[[bytes], Any]) -> str:
    """Return the first key of a dict within the document with which the decoder fails as it did."""
    items = list(table.items())
    fits, fails = 0, len(items)
    while fails - fits > 1:
        middle = (fits + fails) // 2
        table.clear()
        table.update(items[:middle])
        if _fails(document, message, decode):
            fails = middle
        else:
            fits = middle
    table.clear()
    table.update(items[:fails])
    return items[fails - 1][0]


def _fails(document: Any, message: str, decode: Callable[[bytes], Any]) -> bool:
    try:
        decode(msgspec.json.encode(document))
    except msgspec.ValidationError as error:
        return str(error) == message
    return False
