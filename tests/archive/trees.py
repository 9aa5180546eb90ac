"""Trees with everything that a file system can hold, and a look at all that a backup must keep."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from pathlib import Path

ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, rights, number)
    for tag, rights, number in (
        (1, 6, 0xFFFFFFFF),
        (2, 4, 1000),
        (4, 4, 0xFFFFFFFF),
        (16, 4, 0xFFFFFFFF),
        (32, 0, 0xFFFFFFFF),
    )
)


def make_tree(root: Path) -> None:
    """Files of every kind below a directory that is made."""
    odd = os.fsencode(root / "odd")
    (root / "odd" / "empty").mkdir(parents=True)
    (root / "plain").mkdir()
    for number in range(20):
        (root / "plain" / f"{number}.txt").write_bytes(b"%d" % number * number * 100)
    (root / "plain" / "big").write_bytes(hashlib.shake_128(b"big").digest(9_000_000))
    (root / "odd" / "first").write_bytes(b"linked")
    os.link(root / "odd" / "first", root / "odd" / "second")
    os.link(root / "odd" / "first", root / "plain" / "third")
    os.symlink("../nowhere", root / "odd" / "link")
    os.symlink("t" * 300, root / "odd" / "far")
    os.mkfifo(root / "odd" / "fifo", 0o640)
    with open(odd + b"/n\xff\n\x1b[31m", "wb") as stream:
        stream.write(b"odd name")
    deep = root / "odd" / Path(*["d" * 60] * 6)
    deep.mkdir(parents=True)
    (deep / ("f" * 200)).write_bytes(b"long name")
    sparse = root / "odd" / "sparse"
    with sparse.open("wb") as stream:
        stream.truncate(8_000_000)
        stream.seek(5_000_000)
        stream.write(b"data")
    with (root / "odd" / "all hole").open("wb") as stream:
        stream.truncate(3_000_000)
    os.setxattr(root / "odd" / "first", "user.k=%y", b"\0\xffv\n")
    os.setxattr(root / "odd" / "empty", "user.of.a.directory", b"1")
    if os.geteuid() == 0:
        os.setxattr(root / "odd" / "first", "system.posix_acl_access", ACL)
        os.chown(root / "odd" / "link", 12345, 54321, follow_symlinks=False)
        os.chown(root / "plain" / "1.txt", 4_000_000, 7)
    (root / "plain" / "1.txt").chmod(0o4755)
    os.utime(root / "odd" / "first", ns=(1, 1_772_485_200_123_456_789))
    os.utime(root / "plain" / "2.txt", ns=(1, -1_500_000_000))
    (root / "odd" / "empty").chmod(0o555)
    os.utime(root / "odd" / "empty", ns=(5, 5))


def look(root: Path) -> dict[bytes, tuple[object, ...]]:
    """All that a backup must keep of what is below a directory."""
    found: dict[bytes, tuple[object, ...]] = {}
    top = os.fsencode(root)
    for directory, directories, files in os.walk(top):
        for name in directories + files:
            path = os.path.join(directory, name)
            seen = os.lstat(path)
            is_file, is_link = stat.S_ISREG(seen.st_mode), stat.S_ISLNK(seen.st_mode)
            xattrs = (
                ()
                if is_link
                else tuple((each, os.getxattr(path, each)) for each in sorted(os.listxattr(path)))
            )
            content = b""
            if is_file:
                with open(path, "rb") as stream:
                    content = hashlib.sha256(stream.read()).digest()
            found[os.path.relpath(path, top)] = (
                seen.st_mode,
                seen.st_uid,
                seen.st_gid,
                seen.st_mtime_ns,
                seen.st_size if is_file else 0,
                seen.st_nlink if is_file else 0,
                seen.st_rdev,
                os.readlink(path) if is_link else content,
                xattrs,
            )
    return found
