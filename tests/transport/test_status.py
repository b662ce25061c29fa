"""Messages as long as gRPC takes them."""

import pytest

from transport.brevity import brief


@pytest.mark.parametrize("message", ["", "short", "x" * 1024])
def test_what_arrives_stays_as_it_is(message):
    assert brief(message) == message


def test_what_is_no_text_becomes_some():
    assert brief("two images named \udc80") == "two images named ?"


@pytest.mark.parametrize("message", ["x" * 1025, "\N{BRAIN}" * 300, "\udc80" * 2000])
def test_what_is_too_long_is_cut_between_characters(message):
    cut = brief(message)
    assert cut.endswith("…")
    assert 1000 < len(cut.encode()) <= 1024
    assert message.replace("\udc80", "?").startswith(cut[:-1])
