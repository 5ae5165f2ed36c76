"""Reading the settings of a process again and again, with the text of their file at hand.

A supervisor keeps the text that was applied last, and gives it to its workers: what they begin with and what they
follow is what it has checked, whatever stands in the file by then.
"""

from pathlib import Path
from typing import Protocol

from penstock.settings import Loaded

from .gateway import GatewayConfig


class Load(Protocol):
    """`load_gateway`, with everything given but the text."""

    def __call__(self, *, text: bytes | None) -> Loaded[GatewayConfig]:
        """Read the settings. text: of the file, in place of what stands in it."""


class Loader:
    """Reads the settings when it is called; may raise `SettingsError`.

    text: what the file said when it was read last without a mistake, or what it is to be taken to say; None where there
    is no file.
    """

    def __init__(self, load: Load, path: Path | None, text: bytes | None = None) -> None:
        """path: of the settings file; text: what is given in its place."""
        self._load = load
        self._path = path
        self._is_given = text is not None
        self.text = text

    def __call__(self) -> Loaded[GatewayConfig]:
        """Read them; in any thread."""
        if self._path is None or self._is_given:
            return self._load(text=self.text)
        text = _read(self._path)
        loaded = self._load(text=text)
        self.text = text
        return loaded

    def give(self, text: bytes) -> None:
        """Have this read from now on, in place of the file."""
        self._is_given = True
        self.text = text


def _read(path: Path) -> bytes | None:
    """Return what stands in the file; None where it cannot be read, which who reads it next says better."""
    from penstock.settings.file import FILE_BYTES_MAX

    try:
        with path.open("rb") as stream:
            return stream.read(FILE_BYTES_MAX + 1)
    except OSError:
        return None
