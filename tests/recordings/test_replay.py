"""A recorded answer comes back as the bytes it was sent in; a reader of frames takes them apart."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from recordings.reader.frames import aws_frames, json_lines, server_sent_events
from recordings.replay import Recording, find, load, request_bytes, response_bytes, traffic_folder

ANSWER = Recording(
    id="x.chat__plain__1",
    provider="x",
    api="x.chat",
    scenario="plain",
    streamed=False,
    features=(),
    model="m",
    provenance="recorded",
    fidelity="verbatim body",
    note="",
    method="POST",
    host="x.example",
    path="/chat",
    request_headers={},
    request={"model": "m"},
    status=200,
    headers={"Content-Type": "application/json; charset=UTF-8", "transfer-encoding": "chunked"},
    encoding="json",
    body={"text": "né"},
)


def test_a_parsed_body_is_written_compactly_and_keeps_its_type() -> None:
    assert response_bytes(ANSWER) == (
        200,
        {"content-type": "application/json; charset=UTF-8"},
        '{"text":"né"}'.encode(),
    )
    assert request_bytes(ANSWER) == b'{"model":"m"}'
    assert request_bytes(replace(ANSWER, request=None)) is None


def test_a_streamed_array_is_cut_between_its_elements() -> None:
    streamed = replace(ANSWER, streamed=True, body=[{"a": 1}, {"b": 2}])

    assert response_bytes(streamed)[2] == b'[{"a":1}\n,\r\n{"b":2}\n]'


def test_text_is_sent_as_it_was_and_a_lost_type_is_put_back() -> None:
    streamed = replace(ANSWER, streamed=True, encoding="text", headers={}, body="data: 1\r\n\r\n")

    assert response_bytes(streamed) == (200, {"content-type": "text/event-stream; charset=utf-8"}, b"data: 1\r\n\r\n")


@pytest.mark.parametrize("status,streamed,kind", [(200, False, "whole"), (200, True, "stream"), (429, True, "error")])
def test_a_recording_is_of_one_kind(status: int, streamed: bool, kind: str) -> None:
    assert replace(ANSWER, status=status, streamed=streamed).kind == kind


def test_recordings_are_found_by_the_beginning_of_their_api_and_by_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNIGATE_TRAFFIC", str(tmp_path))
    for name, status in (("x.chat__plain__1", 200), ("x.chat__error_429__2", 429), ("y.chat__plain__3", 200)):
        (tmp_path / f"{name}.json").write_text(json.dumps(file(name, status)))

    assert traffic_folder() == tmp_path
    assert [recording.id for recording in load("x.")] == ["x.chat__error_429__2", "x.chat__plain__1"]
    assert [recording.id for recording in load("x.", "error")] == ["x.chat__error_429__2"]
    assert find("y.chat__plain__3").api == "y.chat"
    with pytest.raises(KeyError):
        find("z")


def test_events_are_cut_at_blank_lines_whatever_ends_a_line() -> None:
    for end in ("\n", "\r\n", "\r"):
        body = f": hello{end}event: a{end}data:1{end}{end}data: {{}}{end}data: 2{end}{end}id: 7{end}{end}data: last"

        events = [(event.name, event.data) for event in server_sent_events(body)]

        assert events == [("a", "1"), ("", "{}\n2"), ("", "last")]


def test_lines_of_json_are_read_one_by_one() -> None:
    assert json_lines('{"a":1}\n\n{"b":"\u2028"}\n') == [{"a": 1}, {"b": "\u2028"}]


def test_frames_are_read_and_their_checksums_verified() -> None:
    whole = frame({":event-type": "a"}, b"one") + frame({":event-type": "b"}, b"")

    assert [(read.headers, read.payload) for read in aws_frames(whole)] == [
        ({":event-type": "a"}, b"one"),
        ({":event-type": "b"}, b""),
    ]
    for place in range(len(whole)):
        broken = bytearray(whole)
        broken[place] ^= 1
        with pytest.raises(ValueError):
            aws_frames(bytes(broken))


def file(name: str, status: int) -> dict[str, object]:
    return {
        "id": name,
        "provider": "x",
        "api": name.partition("__")[0],
        "scenario": "plain",
        "stream": False,
        "features": [],
        "model": "m",
        "provenance": "recorded",
        "fidelity": "verbatim body",
        "request": {"method": "POST", "host": "x", "path": "/", "headers": {}, "body": None},
        "response": {"status": status, "headers": {}, "encoding": "json", "body": {}},
    }


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """An AWS event-stream message."""
    head = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return message + struct.pack(">I", zlib.crc32(message))
