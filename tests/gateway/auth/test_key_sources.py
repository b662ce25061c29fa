"""Keys of an issuer, from a URL: fetched when they are needed, and not for each token."""

import asyncio
import base64
import json
import threading
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm

from gateway.auth.key_sources import KeyFile
from gateway.auth.key_url import KeyUrl
from gateway.auth.rights import Right
from gateway.auth.signed_tokens import SignedTokens
from gateway.auth.signing_keys import parse_keys
from gateway.errors import KeysUnavailableError, TokenInvalidError
from gateway.telemetry.metrics import REGISTRY
from transport.watched import UnusableFileError


async def test_a_key_that_is_new_is_fetched_and_one_that_nobody_has_is_not_asked_for_all_the_time(
    clock, issuer, tokens
):
    first = issuer.token("first")
    for _ in range(3):
        identity = await tokens.identify(first)
    assert (identity.name, identity.rights, issuer.fetches) == ("first", {Right.PREDICT}, 1)

    second = issuer.token("second")
    clock.now_s += 60
    assert (await tokens.identify(second)).name == "second"
    assert issuer.fetches == 2

    unknown = issuer.token("unknown")
    del issuer.keys["unknown"]
    for _ in range(5):
        with pytest.raises(TokenInvalidError):
            await tokens.identify(unknown)
    assert issuer.fetches == 2


async def test_a_new_key_is_fetched_also_where_tokens_do_not_name_it_or_name_it_as_the_old_one(clock, issuer, tokens):
    await tokens.identify(issuer.token("first", tells_kid=False))
    clock.now_s += 11
    assert (await tokens.identify(issuer.token("second", tells_kid=False))).name == "second"
    clock.now_s += 11
    del issuer.keys["first"]
    assert (await tokens.identify(issuer.token("first"))).name == "first"
    assert issuer.fetches == 3


async def test_a_slow_issuers_new_key_is_good_ten_seconds_after_it_is_shown(clock, issuer, tokens):
    issuer.meanwhile = lambda: setattr(clock, "now_s", clock.now_s + 4)
    await tokens.identify(issuer.token("first"))
    clock.now_s += 7
    assert (await tokens.identify(issuer.token("second"))).name == "second"


async def test_a_key_that_is_withdrawn_is_good_no_more(clock, issuer, tokens):
    old, kept = issuer.token("old"), issuer.token("kept")
    await tokens.identify(old)
    del issuer.keys["old"]
    clock.now_s += 60
    newer = issuer.token("newer")
    await tokens.identify(newer)  # has the keys fetched
    await tokens.identify(kept)
    with pytest.raises(TokenInvalidError):
        await tokens.identify(old)


async def test_keys_are_fetched_again_every_five_minutes_and_nobody_waits_for_it(clock, issuer, tokens, until):
    old, _ = issuer.token("old"), issuer.token("kept")
    await tokens.identify(old)
    del issuer.keys["old"]
    clock.now_s += 299
    assert (await tokens.identify(old)).name == "old"
    assert issuer.fetches == 1

    answers = threading.Event()
    issuer.meanwhile = lambda: answers.wait(20)
    clock.now_s += 2
    assert (await tokens.identify(old)).name == "old"
    answers.set()

    async def is_out():
        try:
            await tokens.identify(old)
        except TokenInvalidError:
            return True
        return False

    await until(is_out)
    assert issuer.fetches == 2


async def test_a_fetch_that_failed_is_made_again_after_ten_seconds(clock, issuer, tokens, until):
    known = issuer.token("known")
    await tokens.identify(known)
    issuer.status = 500

    async def has_asked(times):
        await tokens.identify(known)
        return issuer.fetches == times

    clock.now_s += 301
    await until(lambda: has_asked(2))
    clock.now_s += 9
    await tokens.identify(known)
    assert issuer.fetches == 2
    clock.now_s += 2
    await until(lambda: has_asked(3))


async def test_after_a_night_without_calls_the_keys_of_the_evening_count_no_more(clock, issuer, tokens):
    old, kept = issuer.token("old"), issuer.token("kept")
    await tokens.identify(old)
    del issuer.keys["old"]
    clock.now_s += 8 * 3600
    for answer in await asyncio.gather(*(tokens.identify(old) for _ in range(3)), return_exceptions=True):
        assert isinstance(answer, TokenInvalidError)
    assert (await tokens.identify(kept)).name == "kept"
    assert issuer.fetches == 2


async def test_they_count_where_no_others_can_be_had_and_what_they_do_not_know_may_come_again(clock, issuer, tokens):
    known, new = issuer.token("known"), issuer.token("new")
    hidden = issuer.keys.pop("new")
    await tokens.identify(known)
    issuer.status = 500
    clock.now_s += 8 * 3600
    assert (await tokens.identify(known)).name == "known"
    for _ in range(3):
        with pytest.raises(KeysUnavailableError):
            await tokens.identify(new)
    assert issuer.fetches == 2  # such tokens are anybody's
    assert REGISTRY.get_sample_value("braintumor_gateway_files_unusable", {"files": issuer.url}) == 1

    issuer.status, issuer.keys["new"] = 200, hidden
    clock.now_s += 11
    assert (await tokens.identify(new)).name == "new"
    assert REGISTRY.get_sample_value("braintumor_gateway_files_unusable", {"files": issuer.url}) == 0


async def test_a_caller_who_leaves_takes_nobodys_keys_away(issuer):
    issuer.token("first")
    keys = KeyUrl(issuer.url)
    leaves, stays = (asyncio.create_task(keys.current()) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    assert [key.kid for key in await stays] == ["first"]


@pytest.mark.parametrize("what", ["headers", "body"])
async def test_keys_that_come_byte_by_byte_are_not_waited_for(issuer, monkeypatch, until, what):
    monkeypatch.setattr("gateway.auth.key_url._TIMEOUT_S", 0.5)
    token = issuer.token("first")
    issuer.drips = what
    with pytest.raises(KeysUnavailableError):
        await asyncio.wait_for(SignedTokens(KeyUrl(issuer.url), "us", "slices").identify(token), 5)
    await until(lambda: issuer.was_left)  # and nobody goes on listening


async def test_an_issuer_on_this_machine_is_asked_without_a_proxy(issuer, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert (await SignedTokens(KeyUrl(issuer.url), "us", "slices").identify(issuer.token("first"))).name == "first"


async def test_any_of_the_keys_in_a_file_may_have_signed(tmp_path):
    keys = {
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "RS256": rsa.generate_private_key(65537, 2048),
        "PS512": rsa.generate_private_key(65537, 2048),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    pem = Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "keys.pem").write_bytes(b"".join(key.public_key().public_bytes(*pem) for key in keys.values()))
    tokens = SignedTokens(KeyFile(tmp_path / "keys.pem"), "us", "slices")
    for algorithm, key in keys.items():
        claims = {"iss": "us", "aud": "slices", "sub": algorithm, "exp": time.time() + 600}
        assert (await tokens.identify(jwt.encode(claims, key, algorithm))).name == algorithm


@pytest.mark.parametrize("content", ['{"keys":' + "[" * 100_000, '{"keys": 1}', "{}", "{"])
def test_what_is_no_key_set_is_told(content):
    with pytest.raises(UnusableFileError, match="is neither PEM nor JWKS"):
        parse_keys(content.encode(), "keys.json")


_ENTRY = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)


@pytest.mark.parametrize(
    "entry",
    [
        "a text",
        None,
        [_ENTRY],
        {**_ENTRY, "kid": ["a"]},
        {**_ENTRY, "kid": 1},
        {**_ENTRY, "alg": ["ES256"]},
        {**_ENTRY, "x": 5},
        {**_ENTRY, "x": "AA"},
        {**_ENTRY, "crv": ["P-256"]},
        {"kty": "RSA", "n": 5, "e": "AQAB"},
        {"kty": "RSA", "n": "AQAB", "e": "AA"},
        {"kty": ["EC"]},
        {},
    ],
)
def test_an_entry_of_a_set_that_cannot_be_understood_costs_no_other_one(entry):
    keys = parse_keys(json.dumps({"keys": [entry, {**_ENTRY, "kid": "good"}]}).encode(), "keys.json")
    assert [key.kid for key in keys] == ["good"]
    with pytest.raises(UnusableFileError, match="holds no public key that is fit"):
        parse_keys(json.dumps({"keys": [entry]}).encode(), "keys.json")


async def test_a_password_in_the_url_is_the_issuers_alone(issuer, caplog):
    url = issuer.url.replace("//", "//us:secret@")
    token = issuer.token("first")
    issuer.status = 500
    with pytest.raises(KeysUnavailableError):
        await SignedTokens(KeyUrl(url), "us", "slices").identify(token)
    issuer.status = 200
    assert (await SignedTokens(KeyUrl(url), "us", "slices").identify(token)).name == "first"
    assert issuer.password == "Basic " + base64.b64encode(b"us:secret").decode()
    (record,) = caplog.records
    assert record.url == issuer.url
    assert REGISTRY.get_sample_value("braintumor_gateway_files_unusable", {"files": issuer.url}) == 0
    with pytest.raises(UnusableFileError) as caught:
        KeyUrl("https://us:sec/ret@issuer.example/jwks")
    assert "ret@" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/jwks", "https://a..b/jwks"])
async def test_without_keys_nobody_can_be_known(url):
    with pytest.raises(KeysUnavailableError):
        await SignedTokens(KeyUrl(url), "us", "slices").identify("a.b.c")


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/jwks",
        "ftp://127.0.0.1/jwks",
        "file:///etc/passwd",
        "https://",
        "https://:5/",
        "https://[::1/x",
        "http://127.0.0.1:x/",
    ],
)
def test_keys_that_could_be_changed_on_the_way_are_not_taken(url):
    with pytest.raises(UnusableFileError):
        KeyUrl(url)
