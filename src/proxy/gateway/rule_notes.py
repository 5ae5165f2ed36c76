"""Rules that have no effect where somebody might think so: told in the log, each once."""

import logging
from typing import Final

from proxy.route.rules import Policies

_log: Final = logging.getLogger("penstock.rules")


class RuleNotes:
    """Tells the notes of policies. What was told, and still holds, is not told again; a reload makes no difference."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self._told: frozenset[str] = frozenset()

    def tell(self, policies: Policies) -> None:
        """Log what is new. For when routes have changed, or rules."""
        notes = policies.notes
        if not notes and not self._told:
            return
        for note in notes:
            if note not in self._told:
                _log.warning("%s", note)
        self._told = frozenset(notes)
