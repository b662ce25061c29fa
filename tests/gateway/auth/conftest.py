"""An issuer of signed tokens, whose keys are at a URL."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from gateway.auth.key_url import KeyUrl
from gateway.auth.signed_tokens import SignedTokens


class Issuer(HTTPServer):
    """Serves the public halves of its keys, and counts who asks."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.fetches = 0
        self.password: str | None = None
        self.drips = ""
        self.status = 200
        self.was_left = False
        self.meanwhile: Callable[[], None] = lambda: None
        """What happens between its look at its keys and its answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/jwks"

    def token(self, kid: str, tells_kid: bool = True) -> str:
        claims = {"iss": "us", "aud": "slices", "sub": kid, "scope": "predict other", "exp": time.time() + 600}
        key = self.keys.setdefault(kid, ec.generate_private_key(ec.SECP256R1()))
        return jwt.encode(claims, key, "ES256", {"kid": kid} if tells_kid else None)


class _Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:
        self.server.fetches += 1
        self.server.password = self.headers.get("Authorization")
        found = [
            {**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"}
            for kid, key in self.server.keys.items()
        ]
        content = json.dumps({"keys": found}).encode()
        self.server.meanwhile()
        self.send_response(self.server.status)
        try:
            if self.server.drips == "headers":
                self.flush_headers()
                self._drip(b"x: y\r\n" * 20)
            self.end_headers()
            if self.server.drips == "body":
                self._drip(content)
            else:
                self.wfile.write(content)
        except OSError:  # whoever asked has had enough
            self.server.was_left = True

    def _drip(self, content: bytes) -> None:
        for byte in content:
            self.wfile.write(bytes([byte]))
            time.sleep(0.05)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """One on a port of its own, without keys yet."""
    with Issuer() as issuer:
        thread = threading.Thread(target=issuer.serve_forever)
        thread.start()
        yield issuer
        issuer.shutdown()
        thread.join()


@pytest.fixture
def tokens(issuer, clock) -> SignedTokens:
    """What checks tokens by the issuer's keys, at the clock's time."""
    return SignedTokens(KeyUrl(issuer.url, clock), "us", "slices")
