"""Encoded copies on the running service: run, chain, verify, repair, restore, rebuild, promote."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.catalog.home import Home
from engine.control import frontdoor
from engine.control.rebuilding import rebuild
from engine.model.encoding import encoding_from_text
from engine.model.errors import UsageError
from tests.cell import Cell, tree
from tests.control.test_verification import flip
from tests.control.upkeep import errors_of, events_of, repair, serving, verify
from tests.transfer.encodings import Key

COPY = """
[policies.databases.copies.{name}]
kind = "synchronous"
library = "shelf"
"""
ZSTD = 'compression = "zstd"\n'


@dataclass
class Vault:
    """A CommCell whose copy `offsite` is compressed and encrypted."""

    cell: Cell
    key: Key

    @property
    def encrypted(self) -> str:
        """Keys of the copy."""
        return f'compression = "zstd"\nencrypt_to = ["{self.key.recipient}"]\n'

    def apply(self, extra: str = "", *, knows_key: bool = False) -> None:
        files = f'age_identity_files = ["{self.key.path}"]' if knows_key else ""
        self.cell.apply(extra, commcell=files, offsite=self.encrypted)

    def restore(
        self, backup_job_id: int, name: str, copy: str | None = None, *identities: Path
    ) -> tuple[str, dict[str, object], str]:
        """State of the restore, what is there then, and the note or reason."""
        to = self.cell.root / name
        job = self.cell.wait(
            frontdoor.run_restore(
                self.cell.home,
                backup_job_id,
                to=str(to),
                copy=copy,
                path_globs=(),
                overwrite=False,
                identity_files=[str(path) for path in identities],
                by="test",
            )
        )
        found = tree(to / "one") if (to / "one").exists() else {}
        return job.state, found, job.reason or job.description

    def data(self, library: str = "vault", copy: str = "offsite") -> Path:
        """The files of the one job copy."""
        [directory] = self.cell.on_media(library, copy).values()
        return directory / "data"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key.generate(tmp_path_factory.mktemp("keys") / "key")


@pytest.fixture
def vault(cell: Cell, key: Key) -> Iterator[Vault]:
    """One backup job with a file of several megabytes, small ones, links and an empty file."""
    cell.dump("one/large", 3_000_000)
    cell.dump("one/a.zst", 10)
    cell.dump("one/a", 5_000)
    (cell.landing / "one/empty").touch()
    (cell.landing / "one/a.zst.age").mkdir()
    os.link(cell.landing / "one/a", cell.landing / "one/a.again")
    os.symlink("a", cell.landing / "one/link")
    return Vault(cell, key)


def names(path: Path) -> Sequence[str]:
    return sorted(os.fspath(item.relative_to(path)) for item in path.rglob("*"))


def test_one_run_feeds_plain_and_encoded_copies_and_a_chain(vault: Vault) -> None:
    mirror = COPY.format(name="mirror") + 'source = "offsite"\n' + vault.encrypted
    packed = COPY.format(name="packed") + ZSTD
    vault.apply(COPY.format(name="plain") + packed + mirror)
    cell = vault.cell
    with serving(cell):
        cell.scan()
        job = cell.run()
        checked = verify(cell, "all")
    assert (job.state, checked.state) == ("completed", "completed"), (job, errors_of(cell, job.id))
    cell.assert_copied("shelf", "plain")

    found = names(vault.data("shelf", "packed"))
    assert {"one/large.zst", "one/a.zst", "one/a.zst.zst", "one/a.again.zst", "one/link"} <= set(
        found
    )
    assert "one/a.zst.age" in names(vault.data())  # the directory keeps its name
    assert any(name.endswith(".encoded") for name in names(vault.data()))
    assert tree(vault.data() / "one") == tree(vault.data("shelf", "mirror") / "one")
    lines = {copy: cell.ledger(copy)[b"one"] for copy in ("plain", "packed", "offsite", "mirror")}
    assert {line.bytes_done for line in lines.values()} == {3_005_010}
    assert {line.chunks_done for line in lines.values()} == {3}
    encodings = {name: encoding_from_text(line.encoding) for name, line in lines.items()}
    assert encodings["plain"].is_plain
    assert (encodings["packed"].suffix, encodings["offsite"].suffix) == (b".zst", b".zst.age")
    assert encodings["mirror"] == encodings["offsite"]


def test_another_encoding_of_an_encrypted_copy_waits_for_its_key(vault: Vault) -> None:
    chained = COPY.format(name="open") + 'source = "offsite"\n'
    vault.apply(chained)
    cell = vault.cell
    with serving(cell):
        cell.scan()
        cell.run(copies=("offsite",))
        blocked = cell.run()
        vault.apply(chained, knows_key=True)
        job = cell.run()

    assert blocked.state == "completed_with_errors"
    assert "a key must open it" in blocked.reason
    [error] = errors_of(cell, blocked.id)
    assert "age_identity_files" in error.hint
    assert job.state == "completed"
    cell.assert_copied("shelf", "open")


def test_a_key_that_others_may_read_is_not_used(vault: Vault, tmp_path: Path) -> None:
    chained = COPY.format(name="open") + 'source = "offsite"\n'
    loose = tmp_path / "loose"
    loose.write_bytes(vault.key.path.read_bytes())
    loose.chmod(0o640)
    vault.cell.apply(chained, commcell=f'age_identity_files = ["{loose}"]', offsite=vault.encrypted)
    with serving(vault.cell):
        vault.cell.scan()
        job = vault.cell.run()
        blocked = vault.cell.run()

    assert "completed_with_errors" in (job.state, blocked.state)
    [error] = errors_of(vault.cell, blocked.id)
    assert "others may read it (mode 0640)" in error.hint


def test_restores_decode_and_fall_back_where_no_key_opens(vault: Vault, tmp_path: Path) -> None:
    vault.apply(COPY.format(name="packed") + ZSTD)
    cell, other = vault.cell, Key.generate(tmp_path / "other")
    before = tree(cell.landing / "one")
    with serving(cell):
        cell.scan()
        cell.run()
        backup_job_id = cell.ledger()[b"one"].backup_job_id
        named = vault.restore(backup_job_id, "named", "offsite", vault.key.path)
        packed = vault.restore(backup_job_id, "packed", "packed")
        locked = vault.restore(backup_job_id, "locked", "offsite")
        wrong = vault.restore(backup_job_id, "wrong", "offsite", other.path)
        os.rename(cell.landing, cell.root / "away")
        fell_back = vault.restore(backup_job_id, "fell-back")
        with pytest.raises(UsageError, match="no such file"):
            vault.restore(backup_job_id, "missing", "offsite", tmp_path / "missing")

    assert (named[0], packed[0], fell_back[0]) == ("completed",) * 3
    assert named[1] == packed[1] == fell_back[1] == before
    assert "restored from copy packed" in fell_back[2]
    assert (locked[0], wrong[0]) == ("failed", "failed")
    assert (locked[1], wrong[1]) == ({}, {})
    assert "no identity is known" in locked[2]
    assert "none of the identities opens it" in wrong[2]


@pytest.mark.parametrize("damage", ["file", "manifest"])
def test_a_bad_encrypted_copy_is_made_anew_without_any_key(vault: Vault, damage: str) -> None:
    vault.apply()
    cell = vault.cell
    with serving(cell):
        cell.scan()
        cell.run()
        before = cell.ledger()[b"one"]
        data = vault.data()
        if damage == "file":
            flip(data / "one/large.zst.age", 1_000_000)
        else:
            flip(data.parent / "manifest.jsonl.zst", 60)
        found = verify(cell)
        job = repair(cell, before.backup_job_id)
        again = verify(cell, "all")
        back = vault.restore(before.backup_job_id, "back", "offsite", vault.key.path)

    assert found.state == "completed_with_errors"
    assert (job.state, again.state, back[0]) == ("completed", "completed", "completed")
    after = cell.ledger()[b"one"]
    assert (after.state, after.encoding) == ("available", before.encoding)
    assert back[1] == tree(cell.landing / "one")


def test_a_bad_encrypted_copy_takes_single_chunks_of_one_like_it(vault: Vault) -> None:
    vault.apply(COPY.format(name="mirror") + 'source = "offsite"\n' + vault.encrypted)
    cell = vault.cell
    with serving(cell):
        cell.scan()
        cell.run()
        before = cell.ledger()[b"one"]
        flip(vault.data() / "one/large.zst.age", 1_000_000)
        os.rename(cell.landing, cell.root / "away")
        verify(cell, copy="offsite")
        job = repair(cell, before.backup_job_id)

    assert job.state == "completed"
    assert tree(vault.data() / "one") == tree(vault.data("shelf", "mirror") / "one")
    assert cell.ledger()[b"one"].manifest_digest == before.manifest_digest
    [event] = events_of(cell, "repair.done")
    assert "1 chunks from mirror" in event.message


def test_a_bad_plain_copy_is_made_anew_from_an_encrypted_one(vault: Vault) -> None:
    vault.apply(COPY.format(name="plain"), knows_key=True)
    cell = vault.cell
    before = tree(cell.landing / "one")
    with serving(cell):
        cell.scan()
        cell.run()
        line = cell.ledger("plain")[b"one"]
        flip(vault.data("shelf", "plain") / "one/large", 1_000_000)
        os.rename(cell.landing, cell.root / "away")
        verify(cell, copy="plain")
        job = repair(cell, line.backup_job_id, copy="plain")

    assert job.state == "completed", errors_of(cell, job.id)
    assert tree(vault.data("shelf", "plain") / "one") == before
    assert cell.ledger("plain")[b"one"].manifest_digest == line.manifest_digest


def test_what_verifies_at_write_reads_the_encoded_files_back(vault: Vault) -> None:
    vault.cell.apply(offsite=vault.encrypted + 'verify = "at-write"\n')
    with serving(vault.cell):
        vault.cell.scan()
        job = vault.cell.run()

    assert job.state == "completed"
    assert vault.cell.ledger()[b"one"].verification == "good"


def test_the_catalog_is_rebuilt_from_an_encrypted_copy_alone(vault: Vault) -> None:
    vault.apply()
    cell = vault.cell
    before = tree(cell.landing / "one")
    with serving(cell):
        cell.scan()
        cell.run()
        line = cell.ledger()[b"one"]
    os.rename(cell.landing, cell.root / "away")
    cell.landing.mkdir()
    cell.home = Home(cell.root / "home2")
    vault.apply()

    report = rebuild(cell.home, ["vault"])

    assert (report["job_copies"], report["damaged"], report["missing"]) == (1, [], [])
    found = cell.ledger()[b"one"]
    assert (found.encoding, found.size_bytes) == (line.encoding, line.size_bytes)
    with serving(cell):
        checked = verify(cell, "all")
        back = vault.restore(line.backup_job_id, "back", None, vault.key.path)
    assert (checked.state, back[0], back[1]) == ("completed", "completed", before)


def test_a_changed_encoding_is_for_what_comes_and_each_job_copy_names_its_own(vault: Vault) -> None:
    vault.apply()
    cell = vault.cell
    with serving(cell):
        cell.scan()
        cell.run()
        cell.apply(offsite=ZSTD)
        cell.dump("two", 2_000)
        cell.scan()
        job = cell.run()
        one, two = (cell.ledger()[name] for name in (b"one", b"two"))
        back = vault.restore(one.backup_job_id, "back", "offsite", vault.key.path)
        checked = verify(cell, "all")

    assert (job.state, checked.state) == ("completed", "completed")
    assert encoding_from_text(one.encoding).is_encrypted
    assert encoding_from_text(two.encoding).suffix == b".zst"
    assert back[1] == tree(cell.landing / "one")


def test_no_key_is_kept_anywhere(vault: Vault) -> None:
    vault.apply(COPY.format(name="open") + 'source = "offsite"\n', knows_key=True)
    cell, secret = vault.cell, vault.key.secret.encode()
    with serving(cell):
        cell.scan()
        cell.run()
        vault.restore(cell.ledger()[b"one"].backup_job_id, "x", "offsite", vault.key.path)
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                assert secret not in process.read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue

    kept = [path for path in cell.home.path.rglob("*") if path.is_file()]
    kept += [path for path in (cell.root / "vault").rglob("*") if path.is_file()]
    assert len(kept) > 5
    for path in kept:
        assert secret[20:] not in path.read_bytes(), path


def test_progress_is_that_of_the_backup_job_whatever_its_files_became(vault: Vault) -> None:
    vault.cell.dump("zeros", 0)
    (vault.cell.landing / "zeros").write_bytes(bytes(4_000_000))
    vault.cell.apply(offsite=ZSTD)
    with serving(vault.cell):
        vault.cell.scan()
        copied = vault.cell.run()
        checked = verify(vault.cell, "all")

    assert copied.bytes_done == copied.bytes_total == 7_005_010
    assert checked.bytes_done == checked.bytes_total == 7_005_010
    stored = vault.cell.on_media()[vault.cell.ledger()[b"zeros"].backup_job_id] / "data/zeros.zst"
    assert stored.stat().st_size < 4_000
