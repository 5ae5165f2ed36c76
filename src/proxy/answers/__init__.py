"""Answers that are kept: to be given again to who repeats a request, and to others who ask the same.

    routes       which routes it is for
    payload      what a RESPONSE says, and the same with more fields
    directives   Cache-Control, as it is written
    freshness    whether an answer may be kept by a cache, and for how long (RFC 9111)
    kept         the cache's answers: by target and asker, bounded, the least used go first
    caching      the stage of the cache: hits, one request for all who ask the same, refreshing
    key          Idempotency-Key: how it is written, whose it is, and what was asked with it
    ledger       which keys are known, and what became of their requests
    memory, sqlite   where the answers of keys are kept
    repeating    the stage of idempotency keys

Nothing of it is loaded before a rule asks for it.
"""
