"""BLAKE3 by a command on the other host, where one may run: proof without the data on the line.

Paths go through a POSIX shell, quoted; of what comes back only lines of 64 hex digits are taken.
The page cache is let go first where `dd` can do that, so that the medium is read.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from blake3 import blake3

from engine.library.digesting import Piece
from engine.library.sftp.far import FarSide
from engine.model.entries import FileEntry

_PROBE = b"auxtui"
_PROBE_S = 20.0
_LEAST_RATE = 4 * 1024**2  # bytes a second of the slowest disk that is waited for
_LONGEST_COMMAND = 64 * 1024  # below what a shell or a kernel takes as one argument
_NONE = b"-"
_HEX = re.compile(rb"[0-9a-f]{64}")


async def digests_offered(far: FarSide) -> bool:
    """Whether digests can be computed there; tried once for each line."""
    link = far.link
    if link.digest_command is None:
        if not link.address.may_execute:
            link.digest_command = ""
            return False
        command = f"printf {_PROBE.decode()} | timeout 10 b3sum --no-names"
        found = await link.execute(command, timeout_s=_PROBE_S)
        is_right = found.strip() == blake3(_PROBE).hexdigest().encode()
        link.digest_command = "b3sum --no-names" if is_right else ""
    return bool(link.digest_command)


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
    for group in _groups(data, pieces):
        command = "; ".join(text for text, _ in group)
        size = sum(piece.chunk.length for _, piece in group)
        seconds = int(_PROBE_S + size / _LEAST_RATE)
        script = f"timeout {seconds} sh -c {shlex.quote(command)}"
        lines = (await far.link.execute(script, timeout_s=seconds + _PROBE_S)).split()
        if len(lines) != len(group):
            return None  # cut short: what is proven is what was answered whole
        found += [bytes.fromhex(line.decode()) if _HEX.fullmatch(line) else b"" for line in lines]
    return found


def _groups(data: bytes, pieces: Sequence[Piece]) -> list[list[tuple[str, Piece]]]:
    groups: list[list[tuple[str, Piece]]] = [[]]
    length = 0
    for piece in pieces:
        text = _command(data, piece)
        if groups[-1] and length + len(text) > _LONGEST_COMMAND // 4:
            groups.append([])
            length = 0
        groups[-1].append((text, piece))
        length += len(text)
    return [group for group in groups if group]


def _command(data: bytes, piece: Piece) -> str:
    """Prints one word: the digest, or a dash where a link or nothing is in its place."""
    path = shlex.quote((data + b"/" + piece.entry.path).decode("utf-8", "surrogateescape"))
    offset, length, _ = piece.chunk
    past_cache = f"dd if={path} iflag=nocache count=0 2>/dev/null"
    if is_whole(piece.entry, offset, length):
        hashing = f"b3sum --no-names < {path}"
    else:
        hashing = f"tail -c +{offset + 1} < {path} | head -c {length} | b3sum --no-names"
    return (
        f"if [ -f {path} ] && [ ! -L {path} ]; then {past_cache}; {hashing} || echo -; "
        "else echo -; fi"
    )


def is_whole(entry: FileEntry, offset: int, length: int) -> bool:
    """True for a chunk that is the whole file."""
    return offset == 0 and length == entry.size
