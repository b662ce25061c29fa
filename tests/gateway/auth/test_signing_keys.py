"""Which public keys count, and what they may have signed."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from gateway.auth.signing_keys import parse_keys
from transport.watched import UnusableFileError

_ENTRY = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)


def _parsed(**fields):
    return parse_keys(json.dumps({"keys": [{**_ENTRY, **fields}]}).encode(), "keys.json")


def test_a_short_rsa_key_is_not_fit():
    key = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505 that is what is refused
    with pytest.raises(UnusableFileError, match="2048 bits"):
        parse_keys(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "keys.pem")


def test_a_key_of_a_set_that_is_for_something_else_is_left_out():
    assert len(_parsed(use="sig")) == 1
    with pytest.raises(UnusableFileError, match="fit for tokens"):
        _parsed(use="enc")


def test_a_key_that_names_an_algorithm_is_for_no_other():
    assert [key.algorithms for key in _parsed(alg="ES256")] == [("ES256",)]
    assert len(_parsed()[0].algorithms) > 1
