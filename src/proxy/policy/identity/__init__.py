"""Who asks: tokens and keys, and what they prove.

    causes      why credentials prove nothing
    compact     a signed token as it came, read strictly
    issuer      what a token of an issuer must say, and the identity that it proves
    keys        a JWK set as verification keys (imports the libraries of the extra `identity`)
    document    the text of a JWK set becomes keys
    source      where a JWK set is read: a file, a URL (redirects: where it may lead)
    keyring     the keys of one source over time: fetched, kept while the source is down
    api_keys    static keys for machines, stored as hashes
    verify      credentials, as they came, become an identity
    tenant      the tenant that a request is for: the header selects, the identity decides
    claims      whether an identity claims what a route wants
    cache       a bounded mapping: what is asked for again stays
    callers     who asks, found again by what was sent; who is not known is judged
    prepare     a configuration, looked at whole before anything is changed by it
    problems    what is wrong with what a configuration names
    identities  all of it for a gateway

The stages are `proxy.policy.identify` and `proxy.policy.authorize`.
"""
