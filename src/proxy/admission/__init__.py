"""Admission: who may go on now, who waits, and who is sent away, while there is more to do than can be done.

A route or a service has a *limit*: how many of its requests may be with it at once. Who comes when all places are taken
waits in a *line*, for a short time. When the gateway itself is short of something, it *sheds*: it refuses before it
works.

    adaptive    the limit of a service, learned from its answers
    line        who waits, and who is next
    patience    how long anybody may wait
    pressure    how much is shed, and of what
    gate        limits and line of some routes, put together
    stages      what all of it says about an exchange
"""
