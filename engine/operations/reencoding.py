"""A job copy made anew from one whose files are encoded otherwise: decoded, encoded and proved."""

from __future__ import annotations

from collections.abc import Callable

from engine.library.interface import JobWriter
from engine.model.errors import Cancelled
from engine.operations.jobcopies import Located
from engine.operations.sources import Source
from engine.transfer.cancel import CancelToken
from engine.transfer.orders import OrderDestination, TransferOrder, TransferResult
from engine.transfer.repairing import Rebuilt
from engine.transfer.run import TransferRun
from engine.transfer.throttle import Throttle


class Reencoding:
    """One job copy in the making.

    Args:
        source: a good job copy of the same backup job.
        bad: the one whose place it takes, and whose encoding it gets.
        open_writer: starts or resumes the new one; blocking.
        cancel: stops it.
        throttle: of the reading.
    """

    def __init__(
        self,
        source: Source,
        bad: Located,
        open_writer: Callable[[], JobWriter],
        *,
        cancel: CancelToken,
        throttle: Throttle,
    ) -> None:
        self._source = source
        self._bad = bad
        self._open_writer = open_writer
        self._cancel = cancel
        self._throttle = throttle
        self._run: TransferRun | None = None
        self._results: list[TransferResult] = []

    @property
    def bytes_done(self) -> int:
        """Bytes of the originals that went through so far."""
        return 0 if self._run is None else self._run.snapshot().bytes_done

    async def run(self, streams: int) -> Rebuilt:
        """Makes and publishes it.

        Raises:
            SourceError: the source cannot be opened or read, or is not what its manifest says.
            DestinationError, LibraryOffline, ManifestError: see `JobWriter`.
            Cancelled: stopped; what is journaled stays.
        """
        orders = iter([self._order()])

        async def next_order() -> TransferOrder | None:
            return next(orders, None)

        async def on_result(result: TransferResult) -> None:
            self._results.append(result)

        self._run = TransferRun(
            streams=streams, throttle=self._throttle, cancel=self._cancel, on_result=on_result
        )
        await self._run.run(next_order)
        if not self._results:
            raise Cancelled(self._cancel.reason)
        [result] = self._results
        [outcome] = result.outcomes
        if outcome.error is not None or outcome.manifest_digest is None:
            raise outcome.error or Cancelled(self._cancel.reason)
        return Rebuilt(
            manifest_digest=outcome.manifest_digest,
            chunks=result.original_chunks,
            reused_bytes=result.bytes_reused,
            taken=(result.original_chunks,),
        )

    def _order(self) -> TransferOrder:
        encoding = self._bad.source.encoding
        return TransferOrder(
            backup_job_id=self._bad.line.backup_job_id,
            header=self._bad.source.header,
            size_bytes=self._bad.line.size_bytes,
            open_source=self._source.open_original,
            destinations=(
                OrderDestination(
                    copy_id=self._bad.copy.id,
                    copy_name=self._bad.copy.name,
                    library="",
                    open_writer=self._open_writer,
                    encoding=encoding,
                    encodes=not encoding.is_plain,
                ),
            ),
        )
