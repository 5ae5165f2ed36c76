"""Spans on their way to a collector, by OTLP over HTTP. Needs `penstock[otel]`; nothing of it is loaded without need.

    environment   what the standard variables of OpenTelemetry say
    session       what a collector can do to who sends it spans: little
    collector     one export of a batch, in a thread
    exporting     what waits for that: bounded, counted, and never in the way
    joining       a service's part in traces: spans of its handlers, and of the calls that they make

The gateway and services use the same exporting; what they make spans of differs.
"""
