"""When a connection counts as lost whose other side has vanished without a word, or hangs.

TCP alone takes a quarter of an hour to notice the one, two hours where nothing is sent, and never notices the other.
What says how long an answer to a ping may take is `grpc.http2.ping_timeout_ms`: below that, gRPC starts no timer for
`grpc.keepalive_timeout_ms` (grpcio 1.74 to 1.85).
"""

OF_SERVERS = (
    # Callers behind load balancers look every few seconds whether they are still there, also between calls.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.http2.ping_timeout_ms", 30_000),
)
"""Options of a server: none of those who are gone holds a stream for long."""

OF_CHANNELS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),
)
"""Options of a channel: where calls are under way, and nothing has come for a while, another connection is opened.

TensorFlow Serving turns away who pings it four times in five minutes with no answer of its own in between.
"""
