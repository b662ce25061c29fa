"""What every test may rely on."""

import asyncio
import datetime
import importlib.util
import inspect
import io
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)
_PATIENCE_S = 300.0
_SIGNS_CERTIFICATES = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs a test that is a coroutine in an event loop of its own; it fails with what nobody but the loop is told."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    untold: list[dict[str, Any]] = []

    def note(_: object, context: dict[str, Any]) -> None:
        # gRPC has one queue for all loops of a process, and meets there what is left of the one before.
        if "PollerCompletionQueue" not in context["message"]:
            untold.append(context)

    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(note)
        runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    assert untold == []
    return True


@dataclass
class Clock:
    """Seconds that a test moves on."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until a test moves it on."""
    return Clock()


@pytest.fixture
def no_threads(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that may start no threads: root, as whom tests may run, no limit keeps from it."""
    refusing = 'import threading\n\ndef start(_):\n    raise RuntimeError("can\'t start new thread")\n\n'
    (tmp_path / "sitecustomize.py").write_text(f"{refusing}threading.Thread.start = start\n")
    found = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{found}" if found else str(tmp_path)}


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], Any]], Any]:
    """Waits until a condition holds, and returns what it returned."""

    def eventually(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + _PATIENCE_S
        while not (result := condition()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)
        return result

    return eventually


@pytest.fixture(scope="session")
def until() -> Callable[..., Awaitable[Any]]:
    """Waits, beside a loop, until a condition, or a coroutine function's answer, holds; returns what it returned."""

    async def until(condition: Callable[[], Any], patience_s: float = _PATIENCE_S) -> Any:
        deadline = time.monotonic() + patience_s
        while True:
            result = condition()
            if inspect.isawaitable(result):
                result = await result
            if result:
                return result
            assert time.monotonic() < deadline, f"not within {patience_s} s"
            await asyncio.sleep(0.01)

    return until


@pytest.fixture(autouse=True, scope="session")
def children_can_be_interrupted() -> Iterator[None]:
    """Processes in the background of a script ignore SIGINT, and so would the children that tests send it to."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@dataclass(frozen=True, slots=True)
class Identity:
    """Files in PEM of somebody who has a certificate."""

    certificate: Path
    key: Path


class Authority:
    """Issues certificates for this machine, with all that RFC 5280 asks for: Python looks at it since 3.13.

    Attributes:
      certificate: file of its own one.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.certificate = self._signed(name, self._key, days=1, is_ca=True)

    def issue(
        self,
        name: str,
        days: int = 1,
        curve: ec.EllipticCurve = ec.SECP256R1(),  # noqa: B008 a constant
        begins_in_days: int = -2,
    ) -> Identity:
        """Writes a certificate that ends in some days, and its key, over what is there under that name."""
        key = ec.generate_private_key(curve)
        file = self._folder / f"{name}.key"
        file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return Identity(self._signed(name, key, days, is_ca=False, begins_in_days=begins_in_days), file)

    def _signed(
        self, name: str, key: ec.EllipticCurvePrivateKey, days: int, is_ca: bool, begins_in_days: int = -2
    ) -> Path:
        now = datetime.datetime.now(datetime.UTC)
        hosts = [x509.DNSName("localhost"), x509.DNSName("issuer.example"), x509.IPAddress(ip_address("127.0.0.1"))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_named(name))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins_in_days * _DAY)
            .not_valid_after(now + days * _DAY)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if is_ca:
            certificate = certificate.add_extension(_SIGNS_CERTIFICATES, critical=True)
        file = self._folder / f"{name}.pem"
        file.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        return file


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@pytest.fixture(scope="session")
def authority() -> type[Authority]:
    """Makes an authority that writes to a folder; two may share it, and then one writes over the other's files."""
    return Authority


@pytest.fixture(scope="session")
def raw() -> Any:
    """What speaks HTTP/2 by hand: the module beside this one, loaded by its path, since tests are no package."""
    spec = importlib.util.spec_from_file_location("raw_caller", Path(__file__).with_name("raw_caller.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def distinct_slice() -> Callable[[int], bytes]:
    """Draws the slice of a number, as JPEG: no two are near-duplicates, and odd ones have a tumor."""
    import numpy as np
    from PIL import Image

    from trainer.data.synthetic import synthetic_slice

    def distinct_slice(number: int) -> bytes:
        cells = np.random.default_rng(number).integers(0, 256, (5, 5), np.uint8)
        pattern = Image.fromarray(cells).resize((240, 240), Image.Resampling.BICUBIC)
        anatomy = synthetic_slice(number, lesion=number % 2 == 1)[..., 0]
        file = io.BytesIO()
        Image.fromarray((anatomy * 0.3 + np.asarray(pattern) * 0.7).astype(np.uint8)).convert("RGB").save(
            file, "JPEG", quality=90
        )
        return file.getvalue()

    return distinct_slice
