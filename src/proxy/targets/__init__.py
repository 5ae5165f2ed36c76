"""Which instance? The services that are connected, how they are, and the choice among them.

``registry`` keeps who offers what and returns what changed; ``health`` says how an instance is; ``pick`` chooses one
for a request; ``allow`` says which service may register which paths, ``declared`` whether what it says of them means
anything, and is no other's. All of it is pure: no I/O, no clock, time is given in seconds.
"""
