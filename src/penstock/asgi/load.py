"""Finding the application that `module:attribute` names."""

import importlib
import sys
import traceback
from pathlib import Path
from typing import Any

from penstock.asgi.messages import Application, StartupError

__all__ = ["load_application"]


def load_application(place: str, *, folder: Path | None = None, is_factory: bool = False) -> Application:
    """Import a module, from this folder or the search path, and return the application in it.

    place: `module:attribute`, where the attribute may have dots; is_factory: call it, and it returns the application.
    Raises `StartupError`; what a module raises while it is imported goes on as it is.
    """
    module_name, _, attribute = place.partition(":")
    if not module_name or not attribute:
        raise StartupError(f"{place!r} is no application; write module:attribute, such as shop.main:app")
    sys.path.insert(0, str((folder or Path()).resolve()))
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise
        where = sys.path[0]
        raise StartupError(f"{place}: there is no module {error.name!r} in {where}, nor installed") from None
    for name in attribute.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise StartupError(f"{place}: {module_name} has no {attribute!r}") from None
    if is_factory:
        found = _make(place, found)
    if not callable(found):
        raise StartupError(f"{place} is {type(found).__name__}, which cannot be called, and so is no ASGI application")
    application: Application = found
    return application


def _make(place: str, factory: Any) -> Any:
    try:
        return factory()
    except Exception as error:
        last = traceback.format_exception_only(error)[-1].strip()
        raise StartupError(f"{place}() failed: {last}") from error
