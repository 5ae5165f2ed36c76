-- Makes wrk send a POST when it is given a body, chunked when it is told so, and report in numbers rather than in prose.

local head = 'POST %s HTTP/1.1\r\nHost: %s:%s\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n'

local function chunked(body)
    return string.format(head .. '%x\r\n%s\r\n0\r\n\r\n', wrk.path, wrk.host, wrk.port, #body, body)
end

function init(args)
    if args[2] then
        local text = chunked(args[1])
        request = function() return text end
    elseif args[1] then
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
