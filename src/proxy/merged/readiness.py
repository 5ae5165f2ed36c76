"""Whether a gateway with workers is ready: those that clients reach are."""

from collections.abc import Mapping, Sequence

NOBODY = "No worker serves clients yet."
DRAINING = "The gateway is shutting down."


def not_ready(reasons: Mapping[str, Sequence[str]], *, is_draining: bool = False) -> list[str]:
    """Return why the gateway is not ready, one sentence each; empty when it is.

    reasons: of each worker that clients reach, by its id. What all of them say is said once, else with who says it.
    """
    said = [DRAINING] if is_draining else []
    if not reasons:
        return said or [NOBODY]
    by_reason: dict[str, list[str]] = {}
    for worker, sentences in reasons.items():
        for sentence in dict.fromkeys(sentences):
            by_reason.setdefault(sentence, []).append(worker)
    for sentence, workers in by_reason.items():
        if sentence not in said:
            said.append(sentence if len(workers) == len(reasons) else f"{_who(workers)}: {sentence}")
    return said


def _who(workers: Sequence[str]) -> str:
    return f"Worker {workers[0]}" if len(workers) == 1 else f"Workers {', '.join(workers)}"
