"""What in a call's metadata tells who makes it."""

import pytest

from gateway.auth.api_keys import ApiKeys, new_key
from gateway.auth.authenticator import Authenticator
from gateway.auth.rights import Right
from gateway.errors import CredentialsMissingError, TokenInvalidError


@pytest.fixture
def key_and_check(tmp_path):
    key, line = new_key("ward-7", [Right.PREDICT])
    (tmp_path / "keys").write_text(line)
    return key, Authenticator(ApiKeys(tmp_path / "keys"), None)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
async def test_the_scheme_has_any_case_and_may_be_followed_by_spaces(key_and_check, scheme):
    key, check = key_and_check
    assert (await check.identify([("authorization", f"{scheme} {key}")])).name == "ward-7"


@pytest.mark.parametrize("words", ["Basic {}", "{}", "Bearer", "Bearer "])
async def test_what_is_no_bearer_token_is_none(key_and_check, words):
    key, check = key_and_check
    with pytest.raises(CredentialsMissingError):
        await check.identify([("authorization", words.format(key))])


async def test_a_token_under_another_name_is_none(key_and_check):
    key, check = key_and_check
    with pytest.raises(CredentialsMissingError):
        await check.identify([("proxy-authorization", f"Bearer {key}")])


@pytest.mark.parametrize("token", ["bt_key", "a.signed.token"])
async def test_a_token_of_a_kind_that_is_not_taken_is_not_valid(token):
    with pytest.raises(TokenInvalidError):
        await Authenticator(None, None).identify([("authorization", f"Bearer {token}")])
