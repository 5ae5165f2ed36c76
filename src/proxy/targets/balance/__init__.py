"""How one of several instances is chosen, where that is not simply two at random, each with its whole share.

A *plan* is made for the candidates and the policy of a route, when a request first needs it, and lasts as they do.

    weighted           two at random, drawn by weights and shares; also for requests without a key
    least_loaded       the one with the fewest requests in flight
    round_robin        one after the other
    ring, consistent   by key: an asker always gets the same one, as long as that has room
    plans              which plan a request needs, and its making

It is loaded where a rule or a setting asks for it, or when an instance gets less than its fair share for a while.
"""
