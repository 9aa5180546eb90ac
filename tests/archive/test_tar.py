"""Headers of tar members, read back by the standard library."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from engine.archive import tar
from tests.archive.packs import members
from tests.archive.trees import ACL

NAMES = st.binary(min_size=1, max_size=400).filter(
    lambda name: b"\0" not in name and not name.endswith(b"/") and not name.startswith(b"/")
)


@given(
    name=NAMES,
    link=st.binary(min_size=1, max_size=300).filter(lambda name: b"\0" not in name),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 1),
    gid=st.integers(0, 2**32 - 1),
    mtime_ns=st.integers(-(10**18), 10**19),
)
def test_a_header_says_what_it_was_told(name, link, mode, uid, gid, mtime_ns):
    blocks = tar.header(
        name, tar.SYMLINK, mode=mode, uid=uid, gid=gid, mtime_ns=mtime_ns, link=link
    )
    assert len(blocks) % tar.BLOCK == 0
    (member,) = members(blocks + tar.END)
    assert member.name.encode("utf-8", "surrogateescape") == name
    assert member.linkname.encode("utf-8", "surrogateescape") == link
    assert (member.mode, member.uid, member.gid) == (mode, uid, gid)
    seconds, ns = divmod(mtime_ns, 10**9)
    if ns or seconds < 0:
        assert member.pax_headers["mtime"].lstrip("-").replace(".", "").lstrip("0") == (
            str(abs(mtime_ns)).lstrip("0")
        )
    else:
        assert int(member.mtime) == seconds


@given(size=st.integers(0, 2**62))
def test_sizes_of_any_length(size):
    blocks = tar.header(b"n", tar.REGULAR, mode=0o600, uid=0, gid=0, mtime_ns=0, size_bytes=size)
    if size <= 0o77777777777:
        assert blocks[124:135] == b"%011o" % size
    else:
        assert b"size=%d\n" % size in blocks


def test_an_acl_becomes_text():
    assert tar.acl_text(ACL) == b"user::rw-,user:1000:r--,group::r--,mask::r--,other::---"
    assert tar.xattr_record(b"system.posix_acl_access", ACL)[0] == b"SCHILY.acl.access"
    assert tar.xattr_record(b"system.posix_acl_access", b"??")[0].startswith(b"SCHILY.xattr.")
