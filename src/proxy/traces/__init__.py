"""Traces: spans of sampled requests, made of their records when they have ended.

    sampled     a record that waits to become spans
    spans       a record becomes a span for the request, and one for each attempt at a service
    gateway     how the traces of a gateway are exported

What takes them to a collector is `penstock.tracing`. Nothing of either is loaded before traces.export asks for it.
"""
