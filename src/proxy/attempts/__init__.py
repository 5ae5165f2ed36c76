"""Attempts: when a request that failed is sent again, how often, how soon, and where to.

    profiles    what the configuration says: how often, after which answers, how soon
    backoff     how long to wait, by chance, and by what the service asks for
    judging     one failure, and what is known of its request: again, or why not
    budget      how many of all requests may be sent again
    elsewhere   which instances are asked next
    retrying    does it: the wire keeps the request, Python decides

A request that went out plain leaves nothing here. What is kept of one begins with its first failure.
"""
