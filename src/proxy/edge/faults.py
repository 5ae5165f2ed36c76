"""What can be wrong with a service's response, in words for the log; the same in both lanes."""

from typing import Final

RESPONSE_FAULTS: Final = {
    1: "its status is not 200 to 599",
    2: "a field name is empty, or no token in lower case",
    3: "a field value holds a control byte",
    4: "a field frames the message or belongs to one hop",
    5: "its head is too long",
    6: "it has a body where none may be",
    7: "the length that it declares is no number, or not its body's",
    32: "it goes on in DATA frames, which its endpoint did not offer",
    33: "REFUSED came after an interim response",
}
"""By minus ``enum http1_response_error`` (csrc/http1_response.h), from 32 on ``BAD_RESPONSE_`` (csrc/wire_values.h)."""
