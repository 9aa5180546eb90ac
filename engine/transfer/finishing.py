"""The two ends of an order: opened at its source and destinations; remembered, published, closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from engine.library.interface import JobReader
from engine.model.entries import encoded_header
from engine.model.errors import AuxError, Cancelled
from engine.transfer.cancel import CancelToken
from engine.transfer.encoded import EncodedSide
from engine.transfer.following import Follower
from engine.transfer.hops import Hops
from engine.transfer.open_destination import OpenDestination
from engine.transfer.opened import EntriesWithDigests, OpenOrder
from engine.transfer.orders import (
    DestinationOutcome,
    OrderDestination,
    OutcomeState,
    TransferOrder,
    TransferResult,
)


async def open_order(order: TransferOrder, hops: Hops, cancel: CancelToken) -> OpenOrder:
    """Opens the source, then every destination; one that cannot be opened is refused with its error.

    Raises:
        AuxError: the source cannot be opened.
    """
    reader: JobReader = await hops.run(order.open_source)
    opened = await asyncio.gather(*(_open(spec, reader, hops) for spec in order.destinations))
    return OpenOrder(
        order,
        reader,
        [dest for dest in opened if isinstance(dest, OpenDestination)],
        {
            spec.copy_id: refusal
            for spec, refusal in zip(order.destinations, opened, strict=True)
            if isinstance(refusal, AuxError)
        },
        cancel,
    )


async def _open(
    spec: OrderDestination, reader: JobReader, hops: Hops
) -> OpenDestination | AuxError:
    try:
        opened = OpenDestination(spec, await hops.run(spec.open_writer))
        if spec.encodes:
            await hops.run(_encode, opened, reader)
    except AuxError as err:
        return err
    return opened


def _encode(dest: OpenDestination, reader: JobReader) -> None:
    """Prepares the encoding; a source that cannot be listed is found again where it is split."""
    try:
        dest.encoded = EncodedSide(dest.spec.encoding, dest.writer, reader.entries())
    except AuxError:
        dest.writer.close()
        raise


async def publish_order(
    order: OpenOrder, hops: Hops, followers: Mapping[OpenDestination, Follower]
) -> None:
    """Remembers the digests, then publishes on every destination that has all; or does nothing.

    Args:
        followers: the publications that wait for their last step.
    """
    if order.stop.is_cancelled or not order.alive:
        return
    if order.order.remember is not None:
        try:
            await hops.run(order.order.remember, order.order.header, EntriesWithDigests(order))
        except AuxError as err:
            order.fail(err)
            return
    await asyncio.gather(
        *(
            followers[dest].published() if dest in followers else _publish(order, dest, hops)
            for dest in order.alive
        )
    )


async def _publish(order: OpenOrder, dest: OpenDestination, hops: Hops) -> None:
    header = encoded_header(order.order.header, dest.spec.encoding)
    try:
        dest.manifest_digest = await hops.run(
            dest.writer.publish, header, EntriesWithDigests(order, dest.encoded)
        )
    except AuxError as err:
        dest.fail(err)


def close_order(order: OpenOrder) -> None:
    """Closes files, writers and the source; what does not close well becomes a warning."""
    order.detach()
    for file in order.files:
        _close_noting(order, file.close)
    for dest in order.destinations:
        _close_noting(order, dest.writer.close)
    _close_noting(order, order.reader.close)


def _close_noting(order: OpenOrder, close: Callable[[], None]) -> None:
    try:
        close()
    except AuxError as err:
        order.warnings.append(err.message)


def result_of(order: OpenOrder, *, seconds: float) -> TransferResult:
    """What became of an order that was opened."""
    opened = {dest.spec.copy_id: dest for dest in order.destinations}
    return TransferResult(
        order=order.order,
        outcomes=tuple(
            _outcome(order, opened[spec.copy_id])
            if spec.copy_id in opened
            else refused(spec, order.refused[spec.copy_id], chunks=order.chunk_count)
            for spec in order.order.destinations
        ),
        entries=order.entry_count,
        files=order.file_count,
        chunks=order.chunk_count,
        size_bytes=order.size_bytes,
        original_chunks=order.original_chunks,
        original_bytes=order.original_bytes,
        bytes_read=order.bytes_read,
        bytes_reused=order.bytes_reused,
        seconds=seconds,
    )


def result_of_unopened(order: TransferOrder, error: AuxError, *, seconds: float) -> TransferResult:
    """What became of an order whose source could not be opened."""
    return TransferResult(
        order=order,
        outcomes=tuple(refused(spec, error, chunks=0) for spec in order.destinations),
        entries=0,
        files=0,
        chunks=0,
        size_bytes=0,
        original_chunks=0,
        original_bytes=0,
        bytes_read=0,
        bytes_reused=0,
        seconds=seconds,
    )


def refused(spec: OrderDestination, error: AuxError, *, chunks: int) -> DestinationOutcome:
    """The outcome of a destination to which nothing was written."""
    return DestinationOutcome(
        copy_id=spec.copy_id,
        copy_name=spec.copy_name,
        state=_state(error),
        manifest_digest=None,
        error=error,
        path=b"",
        chunks=chunks,
        chunks_done=0,
        bytes_done=0,
    )


def _outcome(order: OpenOrder, dest: OpenDestination) -> DestinationOutcome:
    error, path = dest.error, dest.path
    if error is None and dest.manifest_digest is None:
        error = order.source_error or Cancelled(order.stop.reason)
        path = order.source_path
    return DestinationOutcome(
        copy_id=dest.spec.copy_id,
        copy_name=dest.spec.copy_name,
        state=OutcomeState.PUBLISHED if error is None else _state(error),
        manifest_digest=dest.manifest_digest,
        error=error,
        path=path,
        chunks=order.chunk_count,
        chunks_done=dest.chunks_done,
        bytes_done=dest.bytes_done,
        warnings=(*dest.writer.warnings, *order.warnings),
        encoding=dest.spec.encoding,
    )


def _state(error: AuxError) -> OutcomeState:
    return OutcomeState.CANCELLED if isinstance(error, Cancelled) else OutcomeState.FAILED
