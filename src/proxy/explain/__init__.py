"""Explain: what would become of a request, and which setting from which source made it so.

The request is only imagined: its head is read by the scanner that reads a client's, and the stages that serve traffic
decide about it, made by the same code from the same configuration, over the same routes. What they ask of the wire is
answered from the imagined head; what they would change is kept apart, so that nothing is counted, remembered or sent.

    question.py    what is asked: the parameters of the admin page
    imagined.py    the request, as the stages see it
    apart.py       what stages work with, where that would change: callers, rates
    origins.py     who made it so, in words
    words.py       what each stage has decided, in words
    instances.py   who could have got it, and why it was not them
    run.py         runs the stages, and puts the explanation together
"""
