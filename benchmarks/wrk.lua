-- Makes wrk send a POST when it is given a body, and report in numbers rather than in prose.

function init(args)
    if args[1] then
        wrk.method = "POST"
        wrk.body = args[1]
        wrk.headers["Content-Type"] = "application/json"
    end
end

function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests":%d,"duration_us":%d,"bytes":%d,"failed":%d,"p50_us":%d,"p99_us":%d}\n',
        summary.requests, summary.duration, summary.bytes,
        errors.connect + errors.read + errors.write + errors.status + errors.timeout,
        latency:percentile(50.0), latency:percentile(99.0)))
end
