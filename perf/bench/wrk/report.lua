-- Without a `request` function wrk sends one prepared request, so this script costs nothing while it runs.
function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        '\nbench: {"requests":%d,"bytes":%d,"seconds":%.6f,"p50_us":%.1f,"p99_us":%.1f,"errors":%d}\n',
        summary.requests, summary.bytes, summary.duration / 1e6,
        latency:percentile(50.0), latency:percentile(99.0),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
