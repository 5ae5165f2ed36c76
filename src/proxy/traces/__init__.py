"""Traces: spans of sampled requests, made of their records when they have ended.

    spans   a record becomes a span for the request, and one for each attempt at a service

What takes them to a collector is `penstock.tracing`. Nothing of either is loaded before traces.export asks for it.
"""
