"""The recipes of docs/format.md, run as they stand on a copy that the engine made."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.archive.trees import ACL
from tests.cell import Cell, content, tree
from tests.docs.recipes import DOCS, recipes, run_recipe
from tests.transfer.encodings import Key

TOOLS = ("zstd", "jq", "b3sum", "age")
RECIPES = recipes(DOCS / "format.md")
MISSING = [tool for tool in TOOLS if shutil.which(tool) is None]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Cell:
    """A CommCell with three backup jobs on a library, one of them with everything in it."""
    cell = Cell(tmp_path_factory.mktemp("cell"))
    cell.dump("single.dump", 40 << 20)
    cell.dump("job1/base.tar", 3_000_000)
    cell.dump("job1/deep/er/empty", 0)
    for name in (b"new\nline\n", b"[red]\x1b[2J", b"caf\xe9", "naïve".encode(), b"n" * 255, b"-n"):
        path = cell.landing / "job1" / os.fsdecode(name)
        path.write_bytes(content(path.name, 1000))
    (cell.landing / "job1/link").symlink_to("base.tar")
    (cell.landing / "job1/second-name").hardlink_to(cell.landing / "job1/base.tar")
    with (cell.landing / "job1/sparse.img").open("wb") as image:
        image.seek(8 << 20)
        image.write(b"end")
    (cell.landing / os.fsdecode(b"odd \xff")).write_bytes(b"odd")
    cell.apply()
    cell.scan()
    try:
        assert cell.run().state == "completed"
    finally:
        cell.close()
    return cell


@pytest.fixture
def job(copied: Cell, tmp_path: Path) -> Path:
    """The job copy with everything in it, as a private copy that a test may damage."""
    media = copied.on_media()[copied.ledger()[b"job1"].backup_job_id]
    mine = tmp_path / media.name
    subprocess.run(["cp", "-a", media, mine], check=True)
    return mine


def all_jobs(cell: Cell) -> list[Path]:
    return list(cell.on_media().values())


def test_list_names_every_job_copy(copied: Cell) -> None:
    lines = run_recipe(RECIPES["list"], LIBRARY=copied.root / "vault").splitlines()

    found = {tuple(line.split("\t")[:4]) for line in lines}
    assert found == {("databases", "offsite", "db1/pg", str(n)) for n in copied.on_media()}
    assert sum(line.endswith("(base64)") for line in lines) == 1


@pytest.mark.parametrize("recipe", ["manifest", "verify", "count"])
def test_a_good_copy_is_proved(copied: Cell, recipe: str) -> None:
    for job in all_jobs(copied):
        assert run_recipe(RECIPES[recipe], JOB=job) == ""


def test_restore_gives_back_every_byte(copied: Cell, tmp_path: Path) -> None:
    for number, job in enumerate(all_jobs(copied)):
        target = tmp_path / str(number)
        run_recipe(RECIPES["restore"], JOB=job, TARGET=target)
        (name,) = target.iterdir()
        assert tree(name) == tree(copied.landing / name.name)


def test_restored_files_keep_links_and_holes(job: Path, tmp_path: Path) -> None:
    target = tmp_path / "back"

    run_recipe(RECIPES["restore"], JOB=job, TARGET=target)

    first, second = (target / "job1" / name for name in ("base.tar", "second-name"))
    assert first.stat().st_ino == second.stat().st_ino
    assert (target / "job1/sparse.img").stat().st_blocks * 512 < 1 << 20


def test_a_flipped_byte_is_named(job: Path) -> None:
    name = job / "data/job1" / os.fsdecode(b"new\nline\n")
    name.write_bytes(b"X" + name.read_bytes()[1:])

    said = run_recipe(RECIPES["verify"], JOB=job)

    assert said.count("damaged:") == 1
    assert r"new\nline\n" in said


def test_a_shortened_and_a_filled_empty_file_are_named(job: Path) -> None:
    os.truncate(job / "data/job1/base.tar", 2_999_999)
    (job / "data/job1/deep/er/empty").write_bytes(b"not empty")

    said = run_recipe(RECIPES["verify"], JOB=job)

    assert "wrong size: job1/base.tar\n" in said
    assert "damaged: job1/base.tar" in said
    assert "wrong size: job1/deep/er/empty\n" in said


def test_a_missing_file_is_counted(job: Path) -> None:
    (job / "data/job1/link").unlink()

    assert "entries in data" in run_recipe(RECIPES["count"], JOB=job)


@pytest.mark.parametrize("at", [20, -50, -1])
def test_a_flipped_bit_of_the_manifest_is_found(job: Path, at: int) -> None:
    manifest = job / "manifest.jsonl.zst"
    raw = bytearray(manifest.read_bytes())
    raw[at] ^= 1
    manifest.write_bytes(raw)
    script = RECIPES["manifest"].split("end=")[0]  # damaged lines cannot be read by zstd at all

    assert "damaged" in run_recipe(script, JOB=job)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: gives files to another owner")
def test_owners_come_back_from_the_manifest(job: Path, tmp_path: Path) -> None:
    target = tmp_path / "back"
    run_recipe(RECIPES["restore"], JOB=job, TARGET=target)
    path = target / "job1" / os.fsdecode(b"caf\xe9")
    mode = path.stat().st_mode
    os.chown(path, 65534, 65534)
    path.chmod(0o777)

    run_recipe(RECIPES["owners"], JOB=job, TARGET=target)

    assert (path.stat().st_uid, path.stat().st_mode) == (0, mode)


def test_a_damaged_chunk_is_mended_from_another_copy(copied: Cell, tmp_path: Path) -> None:
    """The second chunk of a file of 40 MiB, from another copy of the file."""
    job = copied.on_media()[copied.ledger()[b"single.dump"].backup_job_id]
    subprocess.run(["cp", "-a", job, tmp_path / "job"], check=True)
    file = tmp_path / "job/data/single.dump"
    with file.open("r+b") as stream:
        stream.seek(35 << 20)
        stream.write(b"rotten")
    said = run_recipe(RECIPES["verify"], JOB=tmp_path / "job")
    assert said == "damaged: single.dump, 8388608 bytes from 33554432\n"

    run_recipe(
        RECIPES["mend"],
        GOOD=job / "data/single.dump",
        FILE=file,
        OFFSET=33554432,
        LENGTH=8388608,
    )

    assert run_recipe(RECIPES["verify"], JOB=tmp_path / "job") == ""


def test_every_recipe_is_tried() -> None:
    tried = {"list", "manifest", "verify", "count", "restore", "restore-encoded", "owners", "mend"}
    tried |= {"fetch"}  # in test_objects
    tried |= {"unpack", "chain", "holder"}  # in test_format_of_backups

    assert set(RECIPES) == tried


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key.generate(tmp_path_factory.mktemp("keys") / "key")


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory, identity: Key) -> Cell:
    """Backup jobs on a copy that is compressed and encrypted, and on one that is compressed."""
    cell = Cell(tmp_path_factory.mktemp("cell"))
    cell.dump("single.dump", 40 << 20)
    cell.dump("job1/base.tar", 1_000_000)
    cell.dump("job1/deep/er/empty", 0)
    cell.dump("job1/a", 100)
    (cell.landing / "job1/a.zst").mkdir()
    for name in (
        b"new\nline\n",
        b"[red]\x1b[2J",
        b"caf\xe9",
        b"n" * 255,
        b"n" * 251,
        b"-n",
        b"a.zst.age",
    ):
        path = cell.landing / "job1" / os.fsdecode(name)
        path.write_bytes(content(path.name, 1000))
    (cell.landing / "job1/link").symlink_to("base.tar")
    (cell.landing / "job1/second-name").hardlink_to(cell.landing / "job1/base.tar")
    owned = cell.landing / "job1/owned"
    owned.write_bytes(b"who runs me is another")
    os.setxattr(owned, "user.note", b"\0\xff")
    if os.geteuid() == 0:
        os.setxattr(owned, "system.posix_acl_access", ACL)
        os.chown(owned, 12345, 54321)
    owned.chmod(0o4755)
    os.utime(owned, ns=(1, 1_772_485_200_123_456_789))
    second = '[policies.databases.copies.packed]\nlibrary = "shelf"\ncompression = "zstd"\n'
    cell.apply(second, offsite=f'compression = "zstd"\nencrypt_to = ["{identity.recipient}"]')
    cell.scan()
    try:
        assert cell.run().state == "completed"
    finally:
        cell.close()
    return cell


PLACES = [("vault", "offsite"), ("shelf", "packed")]


@pytest.mark.parametrize("place", PLACES, ids=["zstd and age", "zstd"])
@pytest.mark.parametrize("recipe", ["manifest", "verify", "count"])
def test_a_good_encoded_copy_is_proved_without_a_key(
    encoded: Cell, place: tuple[str, str], recipe: str
) -> None:
    for job in encoded.on_media(*place).values():
        assert run_recipe(RECIPES[recipe], JOB=job) == ""


@pytest.mark.parametrize("place", PLACES, ids=["zstd and age", "zstd"])
def test_an_encoded_copy_gives_back_every_byte(
    encoded: Cell, identity: Key, place: tuple[str, str], tmp_path: Path
) -> None:
    for number, job in enumerate(encoded.on_media(*place).values()):
        target = tmp_path / str(number)
        said = run_recipe(
            RECIPES["restore-encoded"], JOB=job, TARGET=target, IDENTITY=identity.path
        )
        assert said == ""
        (name,) = target.iterdir()
        assert without_directory_times(tree(name)) == without_directory_times(
            tree(encoded.landing / name.name)
        )


@pytest.mark.parametrize("place", PLACES, ids=["zstd and age", "zstd"])
def test_an_encoded_copy_gives_back_owner_attributes_acl_and_setuid(
    encoded: Cell, identity: Key, place: tuple[str, str], tmp_path: Path
) -> None:
    job = encoded.on_media(*place)[encoded.ledger()[b"job1"].backup_job_id]

    said = run_recipe(RECIPES["restore-encoded"], JOB=job, TARGET=tmp_path, IDENTITY=identity.path)

    original = encoded.landing / "job1/owned"
    assert said == ""
    assert metadata(tmp_path / "job1/owned") == metadata(original)
    if os.geteuid() == 0:
        assert metadata(original)[:3] == (12345, 54321, 0o4755)
        assert "system.posix_acl_access" in metadata(original)[4]


def metadata(path: Path) -> tuple[int, int, int, int, dict[str, bytes]]:
    """Owner, group, mode, time, extended attributes with the ACL."""
    seen = path.stat()
    attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
    mode = stat.S_IMODE(seen.st_mode)
    return seen.st_uid, seen.st_gid, mode, seen.st_mtime_ns, attributes


def without_directory_times(found: dict[str, object]) -> dict[str, object]:
    return {
        name: of[:2] if isinstance(of, tuple) and of[0] == "directory" else of
        for name, of in found.items()
    }


@pytest.mark.parametrize("name", ["base.tar.zst.age", "-n.zst.age"])
def test_a_damaged_encoded_file_is_named_and_not_restored(
    encoded: Cell, identity: Key, tmp_path: Path, name: str
) -> None:
    media = encoded.on_media()[encoded.ledger()[b"job1"].backup_job_id]
    job = tmp_path / media.name
    subprocess.run(["cp", "-a", media, job], check=True)
    with (job / "data/job1" / name).open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"XXXXX")

    said = run_recipe(RECIPES["verify"], JOB=job)
    told = subprocess.run(
        ["bash", "-uc", RECIPES["restore-encoded"]],
        env={
            **os.environ,
            "JOB": str(job),
            "TARGET": str(tmp_path / "t"),
            "IDENTITY": str(identity.path),
        },
        capture_output=True,
        check=False,
    ).stdout.decode()

    assert f"damaged: job1/{name}" in said
    assert f"damaged: job1/{name.removesuffix('.zst.age')}\n" in told
    assert not (tmp_path / "t/job1" / name.removesuffix(".zst.age")).exists()
