"""Fan-out: one request becomes several, asked at once, and their answers one answer.

    plan        what the configuration says of one route: whom to ask, how many, and what is made of the answers
    fan         the brain: which leg is asked next, when it is over, and who is told to stop
    legs        from a request to its legs: which instance, which path, as whom
    asking      asks the legs of one fan-out, and ends all of them with it
    combined    which answer they make, or why there is none; `merged`: the document of all of them
    kept        what may be given again for a while
    routes      the stage: a client's request waits, parked, for what becomes of its legs; `tasks`: or in a task
    fleet       the same for the admin page that shows every instance

`proxy.gateway.own_requests` puts it together when it is first needed.
"""
