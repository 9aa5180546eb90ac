"""Answers of servers as they come in, whole and in pieces: no store is asked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.library.objects import answers
from engine.library.objects.answers import Answer, AnswerReader, CutOffError, GarbledError


def answer_in(text: bytes, *, to_head: bool = False, is_end: bool = False) -> Answer | None:
    reader = AnswerReader(to_head=to_head)
    found = reader.feed(text)
    return reader.end() if is_end else found


PUT = b'HTTP/1.1 200 OK\r\nETag: "abc"\r\nContent-Length: 0\r\n\r\n'
LIST = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nX-Odd:\r\n\r\n<a/>\n"
CHUNKS = (
    b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"4;x=y\r\n<Err\r\n3\r\nor>\r\n0\r\nX-Trailer: 1\r\n\r\n"
)
NOTHING = b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n"


@pytest.mark.parametrize(
    ("text", "status", "body"),
    [(PUT, 200, b""), (LIST, 200, b"<a/>\n"), (CHUNKS, 404, b"<Error>"), (NOTHING, 204, b"")],
)
def test_an_answer_is_there_with_its_last_byte_and_not_before(
    text: bytes, status: int, body: bytes
):
    reader = AnswerReader()
    early = [reader.feed(text[at : at + 1]) for at in range(len(text) - 1)]
    found = reader.feed(text[-1:])
    assert early == [None] * (len(text) - 1)
    assert found == answer_in(text)
    assert found is not None
    assert (found.status, found.body, found.keeps) == (status, body, True)


def test_headers_are_found_in_lower_case_and_repeated_ones_joined():
    found = answer_in(
        b'HTTP/1.1 200\r\nETag: \t"a b" \r\nVia: x\r\nvia: y\r\nContent-Length:0\r\n\r\n'
    )
    assert found == Answer(
        200, {"etag": '"a b"', "via": "x, y", "content-length": "0"}, b"", keeps=True
    )


def test_the_answer_to_a_head_has_a_length_and_no_body():
    text = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    assert answer_in(text) is None
    found = answer_in(text, to_head=True)
    assert found is not None
    assert (found.headers["content-length"], found.body, found.keeps) == ("1000", b"", True)


def test_what_comes_before_the_answer_is_passed_over():
    assert answer_in(b"HTTP/1.1 100 Continue\r\n\r\n" + LIST) == answer_in(LIST)


@pytest.mark.parametrize(
    "text",
    [
        PUT.replace(b"ETag", b"Connection: keep-alive, Close\r\nETag"),
        PUT.replace(b"1.1", b"1.0"),
        PUT + b"more",
    ],
)
def test_a_connection_that_is_not_to_be_used_again(text: bytes):
    found = answer_in(text)
    assert found is not None
    assert not found.keeps


def test_a_body_without_a_length_ends_with_the_connection():
    text = b"HTTP/1.1 200 OK\r\n\r\n<all of it>"
    assert answer_in(text) is None
    assert answer_in(text, is_end=True) == Answer(200, {}, b"<all of it>", keeps=False)


@pytest.mark.parametrize("text", [LIST[:-1], CHUNKS[:-1], LIST[:20]])
def test_an_end_in_the_middle_is_told(text: bytes):
    with pytest.raises(CutOffError):
        answer_in(text, is_end=True)


@pytest.mark.parametrize(
    "text",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2000\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nName : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: x\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b" " * 5000,
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * answers.MOST_HEAD_BYTES,
    ],
)
def test_what_can_be_understood_in_two_ways_is_no_answer(text: bytes):
    with pytest.raises(GarbledError):
        answer_in(text)


@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_nothing_that_comes_in_does_harm(noise: bytes, is_end: bool, to_head: bool):
    for text in (noise, b"HTTP/1.1 200 OK\r\n" + noise, CHUNKS[:60] + noise):
        try:
            found = answer_in(text, is_end=is_end, to_head=to_head)
        except GarbledError:
            continue
        assert found is None or found.status >= 200
