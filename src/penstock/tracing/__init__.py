"""Spans on their way to a collector, by OTLP over HTTP.

    environment         what the standard variables of OpenTelemetry say
    exporting           what waits to be sent: bounded, counted, and never in the way
    encoding, sending   spans as bytes, and the requests that carry them: of the gateway
    collector, session  the same with OpenTelemetry's SDK: of services, and so needs penstock[otel]
    joining             a service's part in traces: spans of its handlers, and of the calls that they make

Nothing of it is loaded without need.
"""
