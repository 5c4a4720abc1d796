-- wrk's figures as one line of JSON; latencies in microseconds.
--
-- Arguments: connections, milliseconds of patience, `varied` when no two requests may be the same. With patience, the first request of each connection waits that
-- long, so that all handshakes between client and server are over before the first latency is taken. Without this, the
-- slow start of 256 connections would be in the percentiles, and wrk's correction for calls that were not made in the
-- meantime would multiply it.

local connections, patience = 0, 0
local asked = 0
local sent = 0

function init(args)
  connections = tonumber(args[1])
  patience = tonumber(args[2])
  if args[3] == 'varied' then request = varied end
end

-- Another query and another field each time, as of clients that share a connection.
function varied()
  sent = sent + 1
  return wrk.format(nil, wrk.path .. '?n=' .. sent, { Host = wrk.headers['Host'], ['x-turn'] = sent })
end

-- wrk asks once before each request; no connection gets to its second before all have had their first.
function delay()
  if asked >= connections then return 0 end
  asked = asked + 1
  return patience
end

function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"p999Us":%d,"errors":%d,"timeouts":%d}\n',
    summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    e.connect + e.read + e.write + e.status + e.timeout, e.timeout))
end
