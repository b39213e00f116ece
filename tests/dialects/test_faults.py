"""What an upstream's error may tell the client: anything but a credential."""

from __future__ import annotations

import pytest

from unigate.dialects.faults import scrub


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcDEF123456",
        "sk-12***************89",
        "gsk_abcdefgh12345678",
        "AIzaSyA-1234567890abcdef",
        "ya29.a0AfH6SMBx-1234_5678",
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        "Bearer a1b2c3d4e5f6",
        "key-3ax6xnjp29jd6fds",
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln",
    ],
)
def test_a_credential_in_an_error_does_not_reach_the_client(secret: str) -> None:
    assert scrub(f"Not known: {secret}, look there.").startswith("Not known: [redacted]")
    assert secret not in scrub(f"({secret})")


@pytest.mark.parametrize(
    "text",
    [
        "'keyword_arguments' and 'key_parameters' are unknown.",
        "Give key-value_pairs; skeleton_objects_2 and pkg_resources_3 do not do.",
        "A Bearer authentication is needed.",
        "The hfactors_of_1234567 are wrong, and so is xaiabcdefgh.",
    ],
)
def test_words_that_begin_as_keys_do_stay(text: str) -> None:
    assert scrub(text) == text


def test_a_long_text_is_cut() -> None:
    assert scrub("key-" * 100_000) == "key-" * 500
