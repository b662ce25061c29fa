"""Settings from the environment, and what is told of those that cannot be."""

from typing import Literal

import pytest
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from transport.environment import SettingsError, description_of, settings_from_environment
from transport.tls_settings import ServerTls


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="DOOR_", env_nested_delimiter="__", extra="forbid")

    width: int = 1
    height: float = Field(default=2.0, gt=0, le=3)
    colour: Literal["RED", "BLUE"] = "RED"
    tls: ServerTls | None = None
    street: str = Field(default="", validation_alias="STREET", max_length=3, description="Where it is.")


def test_they_are_read(monkeypatch):
    monkeypatch.setenv("DOOR_WIDTH", "2")
    monkeypatch.setenv("STREET", "a")
    settings = settings_from_environment(_Settings)
    assert (settings.width, settings.street) == (2, "a")


@pytest.mark.parametrize(
    ("variable", "value", "blamed"),
    [
        ("DOOR_WIDTH", "wide", "DOOR_WIDTH"),
        ("DOOR_TLS__KEY", "key.pem", "DOOR_TLS__CERTIFICATE"),
        ("STREET", "long", "STREET"),
    ],
)
def test_what_cannot_be_is_told_by_its_variable(monkeypatch, variable, value, blamed):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{blamed}: .+$"):
        settings_from_environment(_Settings)


def test_a_variable_that_sets_nothing_is_told_with_the_one_that_was_meant(monkeypatch):
    monkeypatch.setenv("DOOR_WITH", "2")
    monkeypatch.setenv("DOOR_TSL__KEY", "key.pem")
    monkeypatch.setenv("DOOR_WIDTH__MM", "2")
    monkeypatch.setenv("DOOR_MAN", "3")
    monkeypatch.setenv("DOOR_STREET", "b")
    monkeypatch.setenv("WINDOW_WITH", "4")
    with pytest.raises(SettingsError) as told:
        settings_from_environment(_Settings)
    assert str(told.value).splitlines() == [
        "DOOR_MAN sets nothing",
        "DOOR_STREET sets nothing; did you mean STREET?",
        "DOOR_TSL__KEY sets nothing; did you mean DOOR_TLS__KEY?",
        "DOOR_WIDTH__MM sets nothing",
        "DOOR_WITH sets nothing; did you mean DOOR_WIDTH?",
    ]


def test_what_kubernetes_sets_by_itself_is_passed_over(monkeypatch):
    for name in ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_GRPC", "PORT", "PORT_50051_TCP", "PORT_50051_TCP_ADDR"):
        monkeypatch.setenv(f"DOOR_{name}", "10.0.0.1")
    assert settings_from_environment(_Settings).width == 1


def test_what_can_be_set_is_told():
    told = description_of(_Settings)
    assert "\nSTREET (default: '')\n    Where it is." in told
    assert "\nDOOR_WIDTH (default: 1)\n" in told
    assert "\nDOOR_HEIGHT (default: 2.0, above 0, at most 3)\n" in told
    assert "\nDOOR_COLOUR (default: 'RED', one of RED | BLUE)\n" in told
    assert "\nDOOR_TLS__... (default: None)\n" in told
    assert "\nDOOR_TLS__KEY (needed where one of DOOR_TLS__... is set)\n    The certificate's private key." in told
