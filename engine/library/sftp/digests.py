"""BLAKE3 by a command on the other host, where one may run: proof without the data on the line.

Paths go through a POSIX shell, quoted; of what comes back only lines of 64 hex digits are taken.
The page cache is let go first where `dd` can do that, so that the medium is read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from blake3 import blake3

from engine.library.digesting import Piece
from engine.library.sftp.far import FarSide
from engine.library.sftp.shell import quoted
from engine.model.entries import FileEntry

_PROBE = b"auxtui"
_PROBE_S = 20.0
_LEAST_RATE = 4 * 1024**2  # bytes a second of the slowest disk that is waited for
_PIECES = 64  # in one script
_HEX = re.compile(rb"[0-9a-f]{64}")


async def digests_offered(far: FarSide) -> bool:
    """Whether digests can be computed there; tried once for each line."""
    link = far.link
    if link.hashes_there is None:
        if not link.address.may_execute:
            link.hashes_there = False
            return False
        script = b"printf " + _PROBE + b" | b3sum --no-names"
        try:
            found = await link.execute(script, timeout_s=_PROBE_S)
        except TimeoutError:
            _do_without(far, _PROBE_S)
        else:
            link.hashes_there = found.strip() == blake3(_PROBE).hexdigest().encode()
    return bool(link.hashes_there)


def _do_without(far: FarSide, seconds: float) -> None:
    """A shell that does not come to an end is no reason to give up the library: data are read back."""
    far.link.hashes_there = False
    far.link.no_hashes = f"a command there did not end in {seconds:.0f} seconds"


async def far_digests(far: FarSide, data: bytes, pieces: Sequence[Piece]) -> list[bytes] | None:
    """See `DigestsThere`.

    Args:
        far: the library.
        data: directory of the files there.
        pieces: what to hash.
    """
    if not await digests_offered(far):
        return None
    found: list[bytes] = []
    for at in range(0, len(pieces), _PIECES):
        group = pieces[at : at + _PIECES]
        script = b"\n".join(_command(data, piece) for piece in group) + b"\n"
        seconds = _PROBE_S + sum(piece.chunk.length for piece in group) / _LEAST_RATE
        try:
            lines = (await far.link.execute(script, timeout_s=seconds)).split()
        except TimeoutError:
            _do_without(far, seconds)
            return None
        if len(lines) != len(group):
            return None  # cut short: what is proven is what was answered whole
        found += [bytes.fromhex(line.decode()) if _HEX.fullmatch(line) else b"" for line in lines]
    return found


def _command(data: bytes, piece: Piece) -> bytes:
    """Prints one word: the digest, or a dash where a link or something else is in its place."""
    path = quoted(data + b"/" + piece.entry.path)
    offset, length, _ = piece.chunk
    if is_whole(piece.entry, offset, length):
        hashing = b"b3sum --no-names < %s" % path
    else:
        hashing = b"tail -c +%d < %s | head -c %d | b3sum --no-names" % (offset + 1, path, length)
    size = b'"$(wc -c < %s)" -eq %d' % (path, piece.entry.size)
    past_cache = b"dd if=%s iflag=nocache count=0 2>/dev/null" % path
    return b"if [ -f %s ] && [ ! -L %s ] && [ %s ]; then %s; %s || echo -; else echo -; fi" % (
        path,
        path,
        size,
        past_cache,
        hashing,
    )


def is_whole(entry: FileEntry, offset: int, length: int) -> bool:
    """True for a chunk that is the whole file."""
    return offset == 0 and length == entry.size
