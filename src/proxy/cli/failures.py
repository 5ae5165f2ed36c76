"""Turns what is known to go wrong into lines on stderr and an exit code; what is unknown keeps its traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.settings import Problem, SettingsError

from ..edge.listen import ListenError
from ..edge.tls.problems import CertificateError
from ..supervisor.errors import SupervisorError

EXIT_RUNTIME = 1
EXIT_CONFIGURATION = 2
EXIT_USAGE = 2  # as click has it for a command that is called in a wrong way
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells count it


class DemoError(Exception):
    """The demo cannot go on. Its text is one line."""


class AdminError(Exception):
    """A running gateway cannot be asked. Its text is one line."""


_KNOWN = (SettingsError, ListenError, CertificateError, DemoError, AdminError, SupervisorError, KeyboardInterrupt)


@contextmanager
def failures_explained() -> Iterator[None]:
    """Exit with a line for each known failure inside; 2 for settings, 1 for what went wrong while running."""
    try:
        yield
    except (*_KNOWN, BaseExceptionGroup) as error:
        if not is_known(error):
            raise
        leaves = list(_leaves(error))
        for leaf in leaves:
            if not isinstance(leaf, KeyboardInterrupt):
                tell("error", str(leaf))
        sys.exit(_exit_code(leaves))


def is_known(error: BaseException) -> bool:
    """Whether all that went wrong is something that a line tells."""
    return all(isinstance(leaf, _KNOWN) for leaf in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions inside groups, which nurseries make even of a single one."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _exit_code(leaves: list[BaseException]) -> int:
    if any(isinstance(leaf, SettingsError) for leaf in leaves):
        return EXIT_CONFIGURATION
    codes = {leaf.exit_code for leaf in leaves if isinstance(leaf, SupervisorError)}
    if codes:
        return min(codes)
    if all(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        return EXIT_INTERRUPTED
    return EXIT_RUNTIME


def tell(level: str, text: str) -> None:
    """Write lines to stderr, each with the program's name and the level."""
    for line in text.splitlines():
        print(f"penstock: {level}: {line}", file=sys.stderr, flush=True)


def tell_warnings(warnings: tuple[Problem, ...]) -> None:
    """Write each warning to stderr."""
    for warning in warnings:
        tell("warning", str(warning))
