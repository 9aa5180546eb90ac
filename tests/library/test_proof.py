from __future__ import annotations

import pytest

from engine.library.interface import Done
from engine.library.journal import JournalContent, JournalHeader
from engine.library.proof import AFRESH, Proof, resumption, says_the_same
from engine.model.entries import Chunk, FileEntry, Metadata, PieceEnd
from engine.model.errors import DestinationWrite, ManifestError
from engine.model.names import rel_path

META = Metadata(mode=0o600, mtime_ns=0, uid=0, gid=0)
ONE, TWO = rel_path(b"one"), rel_path(b"two")
FIRST, SECOND = Chunk(0, 4, bytes(32)), Chunk(4, 2, b"x" * 32)
WANTED = JournalHeader(backup_job_id=7, source_key="source", boot_id="boot")


def content(**more: object) -> JournalContent:
    said: dict = {"header": WANTED, "chunks": {}, "ends": {}, "damaged": 0, **more}
    return JournalContent(**said)


def entry(*chunks: Chunk) -> FileEntry:
    return FileEntry(path=ONE, size=6, meta=META, chunks=chunks)


def test_what_is_gone_on_from_is_in_order_and_only_what_is_there():
    ends = {ONE: {9: PieceEnd(9, b"b"), 3: PieceEnd(3, b"a")}, TWO: {1: PieceEnd(1, b"c")}}
    found = resumption(content(ends=ends, damaged=2), {ONE: {4: SECOND, 0: FIRST}})
    proof = Proof(b"p/c/7", found)
    assert proof.resumed == {ONE: (FIRST, SECOND)}
    assert proof.ended == {ONE: (PieceEnd(3, b"a"), PieceEnd(9, b"b"))}
    assert proof.warnings == ("2 lines of the journal were damaged: their chunks are copied again",)


@pytest.mark.parametrize(
    "other",
    [
        content(chunks={ONE: {0: FIRST}}, damaged=1),
        content(chunks={ONE: {0: FIRST, 4: SECOND}}),
        content(
            chunks={ONE: {0: FIRST}},
            header=WANTED.__class__(backup_job_id=7, source_key="source", boot_id="another"),
        ),
    ],
)
def test_a_journal_is_gone_on_with_only_where_it_says_what_is_proven(other: JournalContent):
    proven = {ONE: {0: FIRST}}
    assert says_the_same(content(chunks=proven), proven, WANTED)
    assert not says_the_same(other, proven, WANTED)


def test_what_is_published_is_what_was_recorded():
    proof = Proof(b"p/c/7", AFRESH)
    proof.note([Done(ONE, FIRST)])
    with pytest.raises(ManifestError, match="1 chunks of it are proven, and they are not the 2"):
        proof.check([entry(FIRST, SECOND)])
    proof.note([Done(ONE, SECOND)])
    proof.check([entry(FIRST, SECOND)])
    with pytest.raises(ManifestError):
        proof.check([entry(FIRST, Chunk(4, 2, b"y" * 32))])
    assert proof.proven_bytes(ONE) == 6
    assert not Proof(b"p/c/8", AFRESH).paths(), "what one job copy proves is nothing of another's"


def test_a_file_that_is_distrusted_is_refused_and_forgotten():
    proof = Proof(b"p/c/7", AFRESH._replace(chunks={ONE: {0: FIRST, 4: SECOND}}))
    proof.distrust(ONE)
    assert proof.is_suspect(ONE)
    assert not proof.is_suspect(TWO)
    assert proof.trusted([Done(ONE, FIRST), Done(TWO, FIRST)]) == [Done(TWO, FIRST)]
    assert not proof.proven_bytes(ONE)
    proof.refuse_suspects([TWO])
    with pytest.raises(DestinationWrite, match="cannot write one"):
        proof.refuse_suspects([TWO, ONE])
    with pytest.raises(ManifestError):
        proof.check([entry(FIRST, SECOND)])


def test_a_writer_at_its_end_says_where_the_next_try_goes_on():
    proof = Proof(b"p/c/7", AFRESH)
    proof.refuse_at_end()
    proof.is_at_end = True
    with pytest.raises(DestinationWrite, match="cannot go on with p/c/7"):
        proof.refuse_at_end()


def test_few_warnings_are_kept():
    proof = Proof(b"p/c/7", AFRESH)
    for number in range(200):
        proof.warn(str(number))
    assert len(proof.warnings) == 100
    assert not Proof(b"p/c/8", AFRESH).warnings
