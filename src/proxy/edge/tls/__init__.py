"""TLS at the edge: between a client's socket and the requests, on memory, in the batch (docs/tls.md).

    problems      what can be wrong with a file, said in one line
    watched       a file that may change at any moment, or half of it
    pair          a certificate with its key, and all that is checked before it is used
    contexts      ssl.SSLContext: versions, ciphers, ALPN, client certificates
    names         which certificate a client means; which client a certificate names
    certificates  all certificates of the edge: loaded, reloaded, swapped whole
    session       one connection: ciphertext in, plaintext out, and back
    batch         all sessions, between the wire's events and its flush

Nothing here is imported unless the edge listens for TLS.
"""
