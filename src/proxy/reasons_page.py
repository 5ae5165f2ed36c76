"""What docs/reasons.md says: every reason of `proxy.errors`, in a table."""

from proxy.errors import REASONS, Reason


def reference_page() -> str:
    """Return the text of docs/reasons.md. To write it anew: PYTHONPATH=src python -m proxy.errors > docs/reasons.md"""
    rows = "\n".join(_row(reason) for reason in REASONS.values())
    unanswered = [f"`{reason.code}`" for reason in REASONS.values() if not reason.is_answered]
    return _PAGE.format(rows=rows, unanswered=f"{', '.join(unanswered[:-1])} and {unanswered[-1]}")


def _row(reason: Reason) -> str:
    retry_after = f"{reason.retry_after_s} s" if reason.retry_after_s else "none"
    resend, closes = reason.resend.value.replace("_", " "), "yes" if reason.closes else "no"
    cells = (f"`{reason.code}`", reason.status, reason.title, reason.fault.value, resend, retry_after, closes)
    return f"| {' | '.join(map(str, cells))} |"


_PAGE = """\
# Reasons

Every answer that no service gave has a reason. Its code is stable; it is the member `reason` of the answer's
`application/problem+json` body (RFC 9457), the end of its `type` (`urn:penstock:reason:<code>`), and the label of the
metric `penstock_refusals_total`. This page is made from `src/proxy/errors.py`.

*Fault*: the client's, the service's, or ours. *Send again*: *yes*, no service has started the request; *no*, it would
end the same way; *if not started*, a service may have carried it out, so only an idempotent request may be repeated.
*Closes*: the connection ends with the answer.

| reason | status | title | fault | send again | Retry-After | closes |
| --- | --- | --- | --- | --- | --- | --- |
{rows}

{unanswered} are counted and logged, but never sent:
nobody is left to read them, or an answer has begun already. What has begun and cannot be finished is broken off, so
that it never looks whole.

`exchanges_full` and `too_many_connections` are answered before anything of a request is known, so their answers have no
body. Each has a metric of its own; `too_many_connections` is not counted among the reasons.
"""
