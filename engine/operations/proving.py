"""Copies whose rule is `at-write`: what is written there is read back before it is published."""

from __future__ import annotations

from collections.abc import Iterable

from engine.catalog.values import CopyValue
from engine.library.interface import JobWriter
from engine.policy.verification import AT_WRITE
from engine.transfer.cancel import CancelToken
from engine.transfer.reading_back import ReadBack


def reads_back(copies: Iterable[CopyValue]) -> frozenset[int]:
    """Ids of the copies that ask for it."""
    return frozenset(copy.id for copy in copies if copy.verify == AT_WRITE)


def proven(writer: JobWriter, copy: CopyValue, cancel: CancelToken) -> JobWriter:
    """The writer of a job copy, which proves what it publishes where the copy asks for it."""
    return ReadBack(writer, cancel=cancel) if copy.verify == AT_WRITE else writer
