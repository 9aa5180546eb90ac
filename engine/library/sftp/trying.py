"""Tries a library over SFTP out; see `engine.library.trying`."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress

from engine.library.blame import on_destination
from engine.library.layout import ASIDE_SUFFIX
from engine.library.sftp.far import FarSide
from engine.library.trying import PROBE_BYTES, Step, probe_names
from engine.model.errors import DestinationWrite, StorageError


async def try_out(far: FarSide) -> list[Step]:
    """Writes, syncs, renames, reads and removes a probe in the root of a library.

    Raises:
        StorageError: the step that failed, and why.
    """
    aside, name = (far.at(each) for each in probe_names())
    content = secrets.token_bytes(PROBE_BYTES)
    steps: list[Step] = []
    start = time.perf_counter()

    def done(what: str) -> None:
        nonlocal start
        now = time.perf_counter()
        steps.append(Step(what, now - start))
        start = now

    try:
        with on_destination("write a probe to", far.root):
            await far.put_aside(aside.removesuffix(ASIDE_SUFFIX), (content,))
        done("write and sync")
        with on_destination("rename a probe in", far.root):
            await far.rename_new(aside, name)
        done("rename")
        with on_destination("sync", far.root):
            await far.sync_directory(far.root)
        done("sync of the directory")
        with on_destination("read a probe from", far.root):
            if await far.content(name, PROBE_BYTES) != content:
                raise DestinationWrite(
                    "a probe was read back, and is not what was written",
                    hint="the disk there or the line damages data: do not use this library",
                )
        done("read")
        await _write_at_any_place(far, name)
        done("write at any place")
        with on_destination("delete a probe in", far.root):
            await far.remove_if_there(name)
        done("delete")
    finally:
        for left in (aside, name):
            with suppress(OSError, StorageError):
                await far.remove_if_there(left)
    return steps


async def _write_at_any_place(far: FarSide, name: bytes) -> None:
    """Several streams write one file: a server that takes it only from its beginning on is of no use.

    Raises:
        StorageError: it does not.
    """
    parts = secrets.token_bytes(PROBE_BYTES), secrets.token_bytes(PROBE_BYTES)
    try:
        session, handle, aside = await far.open_aside(name)
        try:
            await session.write(handle, PROBE_BYTES, parts[1])
            await session.write(handle, 0, parts[0])
            await session.sync_and_close(handle)
            is_there = await far.content(aside, 2 * PROBE_BYTES + 1) == b"".join(parts)
        finally:
            await far.remove_if_there(aside)
    except OSError as err:
        raise _only_in_order(err.strerror or str(err)) from err
    if not is_there:
        raise _only_in_order("something else came back")


def _only_in_order(why: str) -> DestinationWrite:
    return DestinationWrite(
        f"the server cannot write a file but from its beginning on: {why}",
        hint="copies are written by ranges: change its settings, or use another server (`rclone serve "
        "sftp` needs --vfs-cache-mode writes)",
    )
