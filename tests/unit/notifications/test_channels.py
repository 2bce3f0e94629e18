from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.notifications.channels import Broker, Hook, parse_channel, parse_channels
from functions.notifications.settings import ApiSettings, Settings

KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
HUSH = "hush-hush"


def settings(**changes: str) -> Settings:
    return Settings(database_url="sqlite:////x.db", **changes)  # type: ignore[arg-type]


def test_no_address_gives_no_channel() -> None:
    assert parse_channels("") == parse_channels("  \n ") == ()


@pytest.mark.parametrize(
    ("address", "kind", "host"),
    [
        ("mailto:ops@example.org", "mail", "example.org"),
        ("mqtt://broker.lan/hearth", "mqtt", "broker.lan"),
        ("mqtts://user:p%40ss@broker.lan:1884/hearth/a%20b", "mqtt", "broker.lan"),
        ("slack+https://hooks.slack.com/services/T/B/X", "slack", "hooks.slack.com"),
        ("discord+https://discord.com/api/webhooks/1/X", "discord", "discord.com"),
        ("https://example.org", "webhook", "example.org"),
        ("https://example.org:8443/hook?token=t", "webhook", "example.org"),
        ("http://127.0.0.1:8123/hook", "webhook", "127.0.0.1"),
        ("http://[::1]:8123/hook", "webhook", "::1"),
        ("http://192.168.1.4/hook", "webhook", "192.168.1.4"),
        ("http://homeassistant:8123/hook", "webhook", "homeassistant"),
        ("slack+http://mattermost.lan/hooks/x", "slack", "mattermost.lan"),
    ],
)
def test_addresses_of_every_kind_are_known(address: str, kind: str, host: str) -> None:
    channel = parse_channel(address)
    assert (channel.kind, channel.host, channel.events, channel.urgent) == (kind, host, ("*",), ())


def test_an_mqtt_address_names_broker_user_and_topic() -> None:
    channel = parse_channel("mqtts://user:p%40ss%2F@broker.lan:1884/hearth/a%20b")
    assert channel.target == Broker("broker.lan", 1884, "hearth/a b", True, "user", "p@ss/")
    assert parse_channel("mqtt://b/t").target == Broker("b", 1883, "t")


def test_our_parameters_are_removed_from_the_address_and_the_others_stay() -> None:
    channel = parse_channel(
        f"https://example.org/h?a=1%2B+2&name=ops&events=safety.*,task.due&b&secret={KEY}"
        "&urgent=safety.violation.*"
    )
    assert channel.target == Hook("https://example.org/h?a=1%2B+2&b", b"0123456789abcdef01234567")
    assert (channel.name, channel.urgent) == ("ops", ("safety.violation.*",))
    wanted = ["safety.report.ready", "task.due", "task.created"]
    assert [channel.wants(one) for one in wanted] == [True, True, False]
    assert channel.is_urgent("safety.violation.detected")
    assert not channel.is_urgent("task.due")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("example.org", "is not a kind that is known|has no host"),
        ("ftp://example.org/x", "'ftp' is not a kind that is known"),
        ("https://", "it has no host"),
        ("https://example.org:99999/", "it is not a URL"),
        ("https://[::1", "it is not a URL"),
        ("http://example.org/hook", "http:// is for the private network"),
        ("slack+http://hooks.slack.com/x", "http:// is for the private network"),
        ("http://8.8.8.8/hook", "http:// is for the private network"),
        ("mailto:", "is not an e-mail address"),
        ("mailto:a@b.org,c@d.org", "is not an e-mail address"),
        ("mailto:a@b.org%0d%0aBcc:x@y.org", "is not an e-mail address"),
        ("mqtt://broker.lan", "its topic is ''"),
        ("mqtt://broker.lan/a/%23", "its topic is 'a/#'"),
        ("mqtt://broker.lan/$SYS/x", "without"),
        ("https://example.org/?events=", "names no events"),
        ("https://example.org/?events=Safety!", "names no events"),
        ("https://example.org/?name=Ops!", "its name is 'Ops!'"),
        ("https://example.org/?secret=abc", "24 to 64 bytes"),
        ("https://example.org/?secret=whsec_AAAA", "24 to 64 bytes"),
        (f"mqtt://broker.lan/t?secret={KEY}", "a secret signs https"),
    ],
)
def test_an_invalid_address_is_reported_with_its_number(address: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"channel 2 of NOTIFICATION_CHANNELS: .*({words})"):
        parse_channels(f"https://example.org/ok {address}")


@pytest.mark.parametrize(
    "address",
    [
        f"ftp://user:{HUSH}@example.org/{HUSH}",
        f"http://user:{HUSH}@example.org/{HUSH}?a={HUSH}",
        f"https://example.org:x/{HUSH}",
        f"https://example.org/?secret={HUSH}",
        f"slack+https:///{HUSH}",
        f"https://{HUSH}@/x",
    ],
)
def test_no_message_about_an_address_contains_a_secret(address: str) -> None:
    with pytest.raises(ValidationError) as raised:
        ApiSettings(database_url="sqlite:////x.db", notification_channels=address)  # type: ignore[arg-type]
    assert HUSH not in str(raised.value)


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        channels = parse_channels(text)
    except ValueError:
        return
    assert len(channels) == len(text.split())


def test_two_channels_with_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"two channels .* are called 'a'"):
        parse_channels("https://example.org/?name=a mqtt://b/t?name=a")
    with pytest.raises(ValueError, match="two channels"):
        parse_channels("https://example.org/x https://example.org/x")


def test_a_channel_keeps_its_name_when_its_password_changes() -> None:
    one, other = (parse_channel(f"mqtt://u:{word}@broker.lan/t") for word in ("a", "b"))
    assert one.name == other.name
    assert one.name.startswith("mqtt-broker.lan-")
    assert parse_channel("mqtt://u:a@broker.lan/other").name != one.name


def test_a_mail_channel_needs_a_server_and_a_sender() -> None:
    with pytest.raises(ValidationError, match="SMTP_URL and EMAIL_FROM"):
        settings(notification_channels="mailto:a@example.org", email_from="h@example.org")
    whole = settings(
        notification_channels="mailto:a@example.org",
        email_from="h@example.org",
        smtp_url="smtp://127.0.0.1",
    )
    assert [channel.kind for channel in whole.channels] == ["mail"]


def test_settings_have_defaults() -> None:
    plain = settings()
    assert (plain.channels, plain.quiet, plain.smtp) == ((), None, None)
    assert plain.cooldown.total_seconds() == 900
    with pytest.raises(ValidationError, match="such as 22:00-07:00"):
        settings(quiet_hours="at night")
