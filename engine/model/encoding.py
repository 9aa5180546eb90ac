"""How the files of a copy are encoded: as they are, zstd, encrypted to age recipients, or both."""

from __future__ import annotations

from dataclasses import dataclass

NO_COMPRESSION = "none"
ZSTD = "zstd"
ZSTD_SUFFIX = b".zst"
AGE_SUFFIX = b".age"


@dataclass(frozen=True, slots=True)
class Encoding:
    """What is done with each regular file, compression first.

    Two are equal when files may move between them byte for byte.
    """

    compression: str = NO_COMPRESSION
    """`none` or `zstd`."""
    encrypt_to: tuple[str, ...] = ()
    """Public age recipients, sorted, each once, without comments."""

    @property
    def is_plain(self) -> bool:
        """True when the files are those of the backup job."""
        return not self.is_compressed and not self.is_encrypted

    @property
    def is_compressed(self) -> bool:
        """True for zstd."""
        return self.compression != NO_COMPRESSION

    @property
    def is_encrypted(self) -> bool:
        """True when an identity is needed to read it."""
        return bool(self.encrypt_to)

    @property
    def suffix(self) -> bytes:
        """What a file's name gets, for tools and people."""
        compressed = ZSTD_SUFFIX if self.is_compressed else b""
        return compressed + (AGE_SUFFIX if self.is_encrypted else b"")

    @property
    def text(self) -> str:
        """One line per part, for the catalog; empty for plain."""
        return "" if self.is_plain else "\n".join((self.compression, *self.encrypt_to))

    def __str__(self) -> str:
        words = [self.compression] if self.is_compressed else []
        if self.is_encrypted:
            count = len(self.encrypt_to)
            words.append(f"encrypted to {count} recipient{'' if count == 1 else 's'}")
        return " and ".join(words) or "as the source"


PLAIN = Encoding()


def encoding_of(compression: str, encrypt_to: tuple[str, ...]) -> Encoding:
    """The encoding of a copy or a manifest, in the one form that compares."""
    return Encoding(compression, tuple(sorted({without_comment(one) for one in encrypt_to})))


def encoding_from_text(text: str) -> Encoding:
    """The inverse of `Encoding.text`."""
    if not text:
        return PLAIN
    compression, *recipients = text.split("\n")
    return encoding_of(compression, tuple(recipients))


def without_comment(recipient: str) -> str:
    """A recipient without what an SSH public key has behind its two first words."""
    return " ".join(recipient.split()[:2])
