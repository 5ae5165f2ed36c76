"""Cases in which the gateway does not do yet what it must; each has a test that is expected to fail."""

REQUESTS: dict[str, str] = {}
TOLERANT_REQUESTS: dict[str, str] = {
    "9112-2.2-line-feed-after-request-line": "a head whose first line ends in LF and the others in CR LF is waited for",
    "9112-2.2-line-feed-then-carriage-return": "likewise",
}
RESPONSES: dict[str, str] = {
    "refused-after-interim": "REFUSED is believed after an interim RESPONSE, where it must not come",
    **dict.fromkeys(
        [
            f"length-{kind}-express"
            for kind in ("larger", "smaller", "empty", "word", "sign", "minus", "space", "17-digits", "hexadecimal")
        ],
        "the length that a RESPONSE declares is not looked at where the endpoint does not stream",
    ),
}
