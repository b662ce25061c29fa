"""Tokens that an issuer has signed, by the keys of a file."""

import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.auth.key_sources import KeyFile
from gateway.auth.rights import Right
from gateway.auth.signed_tokens import SignedTokens
from gateway.errors import TokenExpiredError, TokenInvalidError


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def tokens(tmp_path, key):
    (tmp_path / "keys.pem").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return SignedTokens(KeyFile(tmp_path / "keys.pem"), "us", "slices")


def _claims(**changes):
    return {"iss": "us", "aud": "slices", "sub": "ward-7", "exp": time.time() + 600} | changes


async def test_a_token_that_was_good_once_still_expires(tokens, key, monkeypatch):
    token = jwt.encode(_claims(exp=time.time() - 5), key, "ES256")
    await tokens.identify(token)  # by the leeway for other clocks
    monkeypatch.setattr("gateway.auth.signed_tokens._LEEWAY_S", 0.0)  # as if more time had passed
    with pytest.raises(TokenExpiredError):
        await tokens.identify(token)


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "exp"])
async def test_a_token_without_a_claim_is_not_valid(tokens, key, claim):
    claims = _claims()
    del claims[claim]
    with pytest.raises(TokenInvalidError):
        await tokens.identify(jwt.encode(claims, key, "ES256"))


@pytest.mark.parametrize("sub", ["", "ward 7", "ward\n7", "Käthe", "w" * 129])
async def test_a_caller_whose_name_is_not_fit_for_logs_is_not_let_in(tokens, key, sub):
    with pytest.raises(TokenInvalidError):
        await tokens.identify(jwt.encode(_claims(sub=sub), key, "ES256"))


@pytest.mark.parametrize(
    ("scope", "rights"),
    [("predict train", {Right.PREDICT, Right.TRAIN}), ("predictor xadmin", set()), (["admin"], set()), (None, set())],
)
async def test_rights_are_the_whole_words_of_the_scope(tokens, key, scope, rights):
    assert (await tokens.identify(jwt.encode(_claims(scope=scope), key, "ES256"))).rights == rights


async def test_a_key_without_an_id_may_have_signed_a_token_that_names_one(tokens, key):
    assert (await tokens.identify(jwt.encode(_claims(), key, "ES256", {"kid": "first"}))).name == "ward-7"


async def test_the_number_of_tokens_that_are_remembered_is_bounded(tokens, key, monkeypatch):
    monkeypatch.setattr("gateway.auth.signed_tokens._MAX_REMEMBERED", 3)
    for number in range(10):
        await tokens.identify(jwt.encode(_claims(sub=str(number)), key, "ES256"))
    assert len(tokens._known) == 3
