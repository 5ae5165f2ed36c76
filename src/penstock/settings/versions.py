"""A kind for versions and ranges of versions, which stay texts: whoever chooses by them reads them once more."""

from .types import BadValueError, TextKind


class VersionRange(TextKind[str]):
    """A version, or a range of versions: ``1.4.0``, ``^1.2``, ``>=1.2 <2``."""

    label = "version"
    example = "1.4.0"

    def parse_text(self, text: str) -> str:
        """Return the text as it stands, when it is one."""
        from penstock.semver import VersionError, parse_range

        try:
            parse_range(text)
        except VersionError as error:
            why, _, fix = str(error).partition(": ")
            raise BadValueError(why, fix or "write a version like 1.4.0, or a range like ^1.2") from None
        return text
