"""The whole corpus."""

import cases_chunked
import cases_connection
import cases_fields
import cases_length
import cases_limits
import cases_request_line
import cases_target
import cases_trust
from corpus import Case

CASES: list[Case] = [
    *cases_request_line.CASES,
    *cases_target.CASES,
    *cases_fields.CASES,
    *cases_length.CASES,
    *cases_chunked.CASES,
    *cases_connection.CASES,
    *cases_trust.CASES,
    *cases_limits.CASES,
]
