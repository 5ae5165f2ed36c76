"""Cases in which the gateway does not do yet what it must; each has a test that is expected to fail."""

REQUESTS = {
    "9112-9.3-http-1.0-keep-alive": "HTTP/1.0 is closed whatever it asks for",
}
TOLERANT_REQUESTS = {
    "9112-2.2-line-feed-after-request-line": "a head whose first line ends in LF and the others in CR LF is waited for",
    "9112-2.2-line-feed-then-carriage-return": "likewise",
}
RESPONSES = {"refused-after-interim": "REFUSED is believed after an interim RESPONSE, where it must not come"}
