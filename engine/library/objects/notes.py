"""What the journal of an unfinished job copy says of its parts, beside its chunks. Pure.

A note comes before the chunk that it belongs to: path, size and cut of the file, the id of its
upload, and entity tag and SHA-256 of each part of the chunk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from engine.library.objects.files import StagedFile, StraightFile
from engine.library.objects.parts import Parts
from engine.library.objects.sending import Sent
from engine.model.entries import Chunk
from engine.model.errors import UnsafeName
from engine.model.names import RelPath, path_from_json, path_to_json

GENERATION = "generation"
PUBLISHING = "publishing"


@dataclass(slots=True)
class NotedFile:
    """What notes say of one file."""

    size: int
    """-1 for a staged file: it may grow; of one that was sent, what was sent."""
    part_bytes: int
    """0 for a staged file."""
    upload: str = ""
    sent: dict[int, Sent] = field(default_factory=dict)
    object_etag: str = ""
    """Of a staged file that was sent as it was then, `size` bytes."""

    @property
    def is_staged(self) -> bool:
        """True when it lies beside the journal."""
        return self.part_bytes == 0

    @property
    def parts(self) -> Parts:
        """How it was cut."""
        return Parts(self.size, self.part_bytes)


@dataclass(slots=True)
class Notes:
    """All notes of a journal."""

    generation: int = 0
    """Of the job copy; 0 when it does not say."""
    publishing: bytes = b""
    """BLAKE3 of the manifest that was about to be put."""
    files: dict[RelPath, NotedFile] = field(default_factory=dict)


def note_of(file: StraightFile | StagedFile, chunk: Chunk) -> dict[str, Any]:
    """The note of a chunk that arrived."""
    if isinstance(file, StagedFile):
        return {**path_to_json(file.path), "size": -1, "part_bytes": 0}
    sent = [(number, file.sent[number]) for number in file.parts.within(chunk)]
    return {
        **path_to_json(file.path),
        "size": file.parts.size,
        "part_bytes": file.parts.part_bytes,
        "upload": file.upload,
        "sent": [[number, part.etag, part.sha256] for number, part in sent],
    }


def note_of_sent(file: StagedFile) -> dict[str, Any]:
    """The note of a staged file that lies in the store now."""
    sent = {"size": file.sent_bytes, "part_bytes": 0, "object": file.etag}
    return {**path_to_json(file.path), **sent}


def read_notes(records: Iterable[dict[str, Any]]) -> Notes:
    """Collects notes; one that cannot be understood is passed over: its chunk is copied again."""
    notes = Notes()
    for record in records:
        if isinstance(record.get(GENERATION), int):
            notes.generation = record[GENERATION]
        elif isinstance(record.get(PUBLISHING), str):
            notes.publishing = bytes.fromhex(record[PUBLISHING])
        else:
            _take(notes.files, record)
    return notes


def _take(files: dict[RelPath, NotedFile], record: dict[str, Any]) -> None:
    match record:
        case {"size": int(size), "part_bytes": int(part_bytes), **rest}:
            try:
                path = path_from_json(rest)
            except UnsafeName:
                return
        case _:
            return
    upload = str(rest.get("upload", ""))
    file = files.get(path)
    if file is None or (file.size, file.part_bytes, file.upload) != (size, part_bytes, upload):
        file = files[path] = NotedFile(size, part_bytes, upload)
    if file.is_staged:
        file.object_etag = str(rest.get("object", ""))
        return
    for item in rest.get("sent", []):
        match item:
            case [int(number), str(etag), str(sha256)] if 1 <= number <= file.parts.count:
                file.sent[number] = Sent(etag, sha256, file.parts.length(number))
