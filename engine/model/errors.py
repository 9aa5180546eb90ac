"""The error tree.

Every error says what failed, on what, and why in its message, and what to do now in `hint`.
Classes are cut by the decision of the caller, so that a handler never parses a message:

    AuxError
      UsageError             refused: wrong use, nothing was changed        exit 2
        SiteError            the site file, with file and line
        JobStateError        this state does not allow this request
      NotFoundError          no such thing                                  exit 4
      CatalogError                                                          exit 1
        CatalogBusy          another writer holds it                        exit 75, retry
        CatalogCorrupt       damaged: restore a backup or rebuild
        CatalogTooNew        written by a newer auxtui
      ServiceError           the service cannot start or answer             exit 75
      DeliveryError          an alert did not reach whom it is for          exit 75, retry
      StorageError           a library or a landing directory               exit 1
        SourceError          the side that is read: skips the backup job
          SourceRead           unreadable
            SourceMissing        not there
          SourceChanged        differs from what was adopted, or while read
          SourceCorrupt        read fine, but is not what the manifest says
          SourceLocked         encrypted, and no identity that is known opens it
        DestinationError     the side that is written: never skips silently
          DestinationWrite     a write, sync or rename failed               retry
            DestinationRefused   no permission, read-only: not by waiting
          DestinationFull      no space, no inodes, over quota              retry
          DestinationExists    the place is taken by something else
        LibraryOffline       marker absent or foreign, not reachable        exit 75, retry
          LibraryRefused       not by waiting: somebody has to mend it
            HostKeyRefused       its host has an unknown or another key
            LibraryUnmarked      applying the site file has yet to write its marker
        ManifestError        a manifest or journal that cannot be trusted
        UnsafeName           a name that must not be used as a path
      Cancelled              suspended, killed or stopped at a boundary (not a failure)
"""

from __future__ import annotations

from typing import ClassVar

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_KILLED = 3
EXIT_NOT_FOUND = 4
EXIT_TRY_LATER = 75


class AuxError(Exception):
    """Root of all errors that auxtui raises on purpose.

    Args:
        message: what failed, on what, and why; one sentence for an administrator.
        hint: what to do now; empty when there is nothing sensible to add.
    """

    exit_code: ClassVar[int] = EXIT_FAILED
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(AuxError):
    """A request that is refused; nothing was changed."""

    exit_code = EXIT_USAGE


class SiteError(UsageError):
    """The site file says something that cannot be done; message starts with `file:line:`.

    Args:
        message: see `AuxError`.
        hint: see `AuxError`.
        path: keys of what it is about, from the outside in; positions in lists from 0.
    """

    def __init__(self, message: str, *, hint: str = "", path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.path = path


class JobStateError(UsageError):
    """The state of the job does not allow this request."""


class NotFoundError(AuxError):
    """There is no such thing in the catalog or on the media."""

    exit_code = EXIT_NOT_FOUND


class CatalogError(AuxError):
    """The catalog cannot be used."""


class CatalogBusy(CatalogError):
    """Another writer holds the catalog for longer than the busy timeout."""

    exit_code = EXIT_TRY_LATER
    retryable = True


class CatalogCorrupt(CatalogError):
    """The catalog is damaged; it is left as it is."""


class CatalogOutdated(CatalogError):
    """The catalog is of an older form, which a reader alone cannot change."""


class CatalogTooNew(CatalogError):
    """The catalog was written by a newer auxtui; it is left as it is."""


class ServiceError(AuxError):
    """The service cannot start, or does not answer."""

    exit_code = EXIT_TRY_LATER
    retryable = True


class DeliveryError(AuxError):
    """An alert did not reach whom it is for."""

    exit_code = EXIT_TRY_LATER
    retryable = True


class StorageError(AuxError):
    """A library or a landing directory failed."""


class SourceError(StorageError):
    """The side that is read failed: this backup job is skipped, the others go on."""


class SourceRead(SourceError):
    """A file of the source cannot be read."""


class SourceMissing(SourceRead):
    """A file of the source is not there; in a published job copy that is damage, where its library is there."""


class SourceChanged(SourceError):
    """A file of the source is not what was adopted, or changed while it was read."""

    retryable = True


class SourceCorrupt(SourceError):
    """What was read does not have the digest that the manifest states."""


DAMAGED_HINT = "the source is damaged: verify it, and repair it from another copy"
"""What to do about damage that somebody who reads has found."""


class SourceLocked(SourceError):
    """What is to be read is encrypted, and no identity that is known opens it."""


class DestinationError(StorageError):
    """The side that is written failed: the destination drops out, others go on."""


class DestinationWrite(DestinationError):
    """A write, a sync or a rename on the destination failed; the file is suspect."""

    retryable = True


class DestinationRefused(DestinationWrite):
    """The destination may not be written: no permission, or read-only; waiting does not help."""

    retryable = False


class DestinationFull(DestinationError):
    """The destination has no space, no inodes, or is over its quota."""

    retryable = True


class DestinationExists(DestinationError):
    """Something that is not ours stands where the job copy should go."""


class LibraryOffline(StorageError):
    """The library's marker is absent or another's, or it cannot be reached."""

    exit_code = EXIT_TRY_LATER
    retryable = True


class LibraryRefused(LibraryOffline):
    """The library cannot be used until somebody mends it: a login, a key, an address, a setting."""

    retryable = False


class LibraryUnmarked(LibraryRefused):
    """The library was never marked; applying the site file does that, where it can be written."""


class HostKeyRefused(LibraryRefused):
    """The key of the library's host is not the one that is trusted; nothing was sent to it.

    Args:
        fingerprint: of the key that was offered, as OpenSSH prints it.
        is_changed: another key is trusted for this host; False: none is.
    """

    def __init__(
        self, message: str, *, hint: str = "", fingerprint: str = "", is_changed: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.fingerprint = fingerprint
        self.is_changed = is_changed


class ManifestError(StorageError):
    """A manifest or journal is damaged, hostile or of an unknown format."""


class UnsafeName(StorageError):
    """A name from a disk or a manifest that must not be followed as a path."""


class Cancelled(AuxError):
    """Work was stopped on request; what was synced and journaled stays."""
