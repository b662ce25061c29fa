"""A caller and a server that speak HTTP/2 by hand, so that they can stop anywhere; `conftest.py` loads them.

Source: RFC 9113, RFC 7541 (literal fields without indexing), gRPC over HTTP/2.
"""

import socket
import struct
from collections.abc import Iterable

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_HEADERS = 4
_ACK = 1


class RawCaller:
    """A connection to a gateway. Calls are begun and never ended.

    Args:
      address: of the gateway.
      host: that it comes from, one of this machine's.
    """

    def __init__(self, address: str, host: str = "127.0.0.1") -> None:
        to, _, port = address.rpartition(":")
        self._socket = socket.create_connection((to, int(port)), timeout=30, source_address=(host, 0))
        self._next_stream = 1
        self._socket.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, b""))

    def begin(self, method: str, data: bytes = b"", metadata: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Begins a call.

        Args:
          method: its path.
          data: of the request's body so far.
          metadata: any bytes, also such as gRPC does not send.
        """
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        fields = b"\x83\x86"  # POST, http
        fields += b"\x04" + _text(method.encode()) + b"\x01" + _text(b"gateway")
        fields += b"\x0f\x10" + _text(b"application/grpc") + b"\x00" + _text(b"te") + _text(b"trailers")
        fields += b"".join(b"\x00" + _text(key) + _text(value) for key, value in metadata)
        self._socket.sendall(_frame(_HEADERS, _END_HEADERS, stream, fields))
        if data:
            self._socket.sendall(_frame(_DATA, 0, stream, data))

    def wait_closed(self) -> None:
        """Waits until the gateway has closed the connection, and answers nothing that it sends before."""
        while self._socket.recv(4096):
            pass

    def close(self) -> None:
        """Leaves."""
        self._socket.close()


class SilentServer:
    """A server that takes one connection and falls silent: it hangs, or its machine has vanished.

    Attributes:
      address: where it listens.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(30)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._connection: socket.socket | None = None

    def take(self) -> None:
        """Waits for the connection, and takes it."""
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(30)
        self._connection.sendall(_frame(_SETTINGS, 0, 0, b"") + _frame(_SETTINGS, _ACK, 0, b""))

    def wait_closed(self) -> None:
        """Waits until its caller has given the connection up."""
        assert self._connection is not None
        while self._connection.recv(4096):
            pass

    def close(self) -> None:
        """Ends it."""
        if self._connection is not None:
            self._connection.close()
        self._listener.close()


def half_a_message(length: int) -> bytes:
    """Returns the first half of a gRPC message of some bytes, prefix included."""
    return struct.pack(">BI", 0, length) + bytes(length // 2)


def whole(message: bytes) -> bytes:
    """Returns a gRPC message with its prefix."""
    return struct.pack(">BI", 0, len(message)) + message


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _text(text: bytes) -> bytes:
    assert len(text) < 127
    return bytes([len(text)]) + text
