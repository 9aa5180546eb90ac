"""An estate with a run that is owed, set back to its first moment before each round."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.faults.estate import CHUNK_BYTES, Estate

CHUNKS = 20


class Pristine:
    """Remembers home and libraries of an estate; the landing directory is never touched.

    Args:
        estate: freshly made; a job of 20 chunks and small ones come here, and requests to adopt
            and to copy them.
        options: of the run that is filed.
    """

    def __init__(self, estate: Estate, **options: object) -> None:
        self.estate = estate
        self._kept = estate.root / "pristine"
        estate.apply()
        estate.add("large.dump", CHUNKS * CHUNK_BYTES - 777)
        estate.add_some(random.Random(7), chunks=2)
        estate.file_scan()
        estate.file_run(streams=2, **options)
        for path in self._paths():
            shutil.copytree(path, self._kept / path.name, symlinks=True)

    def restore(self) -> None:
        """Puts everything back."""
        self.estate.end()
        for path in self._paths():
            shutil.rmtree(path)
            shutil.copytree(self._kept / path.name, path, symlinks=True)

    def _paths(self) -> Iterator[Path]:
        yield self.estate.cell.home.path
        for copy in self.estate.oracle.copies:
            yield copy.root
