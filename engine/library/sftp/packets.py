"""The SSH packets of one channel's data, sealed and opened many at a time, with few copies.

asyncssh makes each packet of 32 KiB by itself: about ten copies of it, a context for the cipher, a text for a
log that nobody reads and a system call, and it copies what it has received once for each packet in it.
Data of a channel under AES-GCM is done here instead, on the state of asyncssh itself: its keys, nonces,
sequence numbers and windows are used and moved on as it would have done. Everything else is left to it:
each other kind of packet, other ciphers, key exchanges, whatever is wrong. Where it looks different
inside than is known here, it does all by itself.

The format is that of RFC 4253, section 6, and RFC 5647, section 7.
"""

from __future__ import annotations

import asyncio
import math
import os
import struct
import time
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine.library.sftp.ssh import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_WINDOW_ADJUST,
    GCMEncryption,
    asyncssh,
)

_CONNECTION = (
    "_auth_complete",
    "_compressor",
    "_decompressor",
    "_inpbuf",
    "_kex_complete",
    "_max_recv_pktlen",
    "_recv_data",
    "_recv_encryption",
    "_recv_handler",
    "_recv_pkthdr",
    "_recv_seq",
    "_rekey_bytes",
    "_rekey_bytes_sent",
    "_rekey_seconds",
    "_rekey_time",
    "_reset_keepalive_timer",
    "_send",
    "_send_encryption",
    "_send_seq",
    "_transport",
)
_CHANNEL = (
    "_accept_data",
    "_conn",
    "_flush_send_buf",
    "_recv_chan",
    "_recv_state",
    "_recv_window",
    "_send_buf",
    "_send_buf_len",
    "_send_chan",
    "_send_paused",
    "_send_pktsize",
    "_send_state",
    "_send_window",
)
_CIPHER = ("_iv", "_key", "_update_iv")

_BLOCK, _TAG = 16, 16
_HEAD = struct.Struct(
    ">BBII"
)  # padding, kind, channel, and the length of the data, or what opens the window
_LEAST_PACKET = 4 + _BLOCK + _TAG
_AT_ONCE_BYTES = 512 * 1024  # of data in one system call
_WORTH_BYTES = 256 * 1024  # of window: what opens it for less waits for more, but not for long
_PATIENCE_S = 0.002
_HEARD_S = 0.5  # much less than asyncssh waits before it asks whether somebody is there
_U32 = 0xFFFFFFFF


def _padding(size: int) -> int:
    """Bytes behind so much data: at least 4, up to a whole block."""
    count = -(_HEAD.size + size) % _BLOCK
    return count if count >= 4 else count + _BLOCK


class _Seal:
    """The cipher of one direction: that of asyncssh, with its context made once."""

    def __init__(self) -> None:
        self._of: Any = None
        self.cipher: Any = None
        self.aead: Any = None  # an AESGCM; Any: it is asked for once for many packets

    def is_of(self, encryption: Any) -> bool:
        """Takes up the cipher that is in force now; False where it is none that is known here."""
        if encryption is not self._of:
            self._of, self.cipher, self.aead = encryption, None, None
            if type(encryption) is GCMEncryption:
                cipher: Any = getattr(encryption, "_cipher", None)
                if all(hasattr(cipher, name) for name in _CIPHER):
                    self.cipher, self.aead = cipher, AESGCM(cipher._key)
        return self.aead is not None


class DataPackets:
    """Sends and takes the data of a channel in place of asyncssh, wherever that can be done.

    Runs on the loop of the connection, and begins with its first use after the login.

    Args:
        channel: that was just opened; the only one of its connection that is served here.
    """

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._connection = channel._conn
        self._sealing, self._opening = _Seal(), _Seal()
        self._scratch = bytearray()
        self._later: asyncio.TimerHandle | None = None
        self._heard_at = -math.inf
        self._usual_flush = self._channel._flush_send_buf
        self._usual_receive = self._connection.data_received
        self._channel._flush_send_buf = self._flush
        self._connection.data_received = self._receive

    @classmethod
    def serve(cls, channel: asyncssh.SSHClientChannel[bytes]) -> DataPackets | None:
        """Serves a channel from now on; None where asyncssh is not as it is known here."""
        inside: Any = channel
        if not all(hasattr(inside, name) for name in _CHANNEL):
            return None
        if not all(hasattr(inside._conn, name) for name in _CONNECTION):
            return None
        return cls(channel)

    def write(self, parts: list[bytes | memoryview]) -> None:
        """Sends data; copied once, the parts are free on return.

        Raises:
            OSError: the channel is not open for it.
        """
        channel = self._channel
        if channel._send_state != "open":
            raise BrokenPipeError("the channel is closed")
        data = bytearray().join(parts)
        channel._send_buf.append((data, None))
        channel._send_buf_len += len(data)
        self._flush()

    # In place of methods of asyncssh.

    def _flush(self) -> None:
        """What may be sent of the channel's buffer is sent; the rest when the window opens."""
        channel = self._channel
        if self._later is not None:
            self._later.cancel()
            self._later = None
        while channel._send_buf and channel._send_window and self._can_seal():
            data, kind = channel._send_buf[0]
            if kind is not None:
                break
            count = min(len(data), channel._send_window, _AT_ONCE_BYTES)
            self._send(data, count)
            if count == len(data):
                del channel._send_buf[0]
            else:
                del data[:count]
            channel._send_buf_len -= count
            channel._send_window -= count
        if channel._send_buf or channel._send_paused or channel._send_state != "open":
            self._usual_flush()  # what cannot be sealed here, and the end

    def _receive(self, data: bytes, datatype: int | None = None) -> None:
        """Takes the packets of this channel; hands whatever else it is to asyncssh."""
        connection = self._connection
        if not self._can_open():
            self._usual_receive(data, datatype)
            return
        self._heard()
        if connection._inpbuf:
            data = connection._inpbuf + data
            connection._inpbuf = b""
        at = self._take(data)
        if at < len(data):
            connection._inpbuf = data[at:] if at else data
        self._flush_when_worth_it()

    def _heard(self) -> None:
        """Puts the question whether the host is there off, not for each packet."""
        now = time.monotonic()
        if now - self._heard_at >= _HEARD_S:
            self._heard_at = now
            self._connection._reset_keepalive_timer()

    def _flush_when_worth_it(self) -> None:
        """OpenSSH opens its window by 64 KiB and less: each time a system call here and a wake-up there."""
        channel = self._channel
        if not channel._send_buf or not channel._send_window:
            return
        if channel._send_window >= min(channel._send_buf_len, _WORTH_BYTES):
            self._flush()
        elif self._later is None:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(_PATIENCE_S, self._flush)

    # What is sealed.

    def _can_seal(self) -> bool:
        connection = self._connection
        return bool(
            connection._kex_complete
            and connection._auth_complete
            and connection._compressor is None
            and connection._rekey_bytes_sent < connection._rekey_bytes
            and not (connection._rekey_seconds and time.monotonic() >= connection._rekey_time)
            and connection._transport is not None
            and self._channel._send_chan is not None
            and self._sealing.is_of(connection._send_encryption)
        )

    def _send(self, data: bytearray, count: int) -> None:
        """Seals the first bytes of a buffer, each packet as long as the other end takes, and sends them."""
        connection, channel = self._connection, self._channel
        cipher, aead = self._sealing.cipher, self._sealing.aead
        most, number = channel._send_pktsize, channel._send_chan
        sizes = [most] * (count // most) + ([count % most] if count % most else [])
        lengths = [_HEAD.size + size + _padding(size) for size in sizes]
        out = bytearray(sum(lengths) + len(lengths) * (4 + _TAG))
        scratch = self._room(most)
        noise = os.urandom(2 * _BLOCK)
        end, at = 0, 0
        with memoryview(data) as content, memoryview(out) as sealed, memoryview(scratch) as plain:
            for size, length in zip(sizes, lengths, strict=True):
                padding = length - _HEAD.size - size
                _HEAD.pack_into(plain, 0, padding, MSG_CHANNEL_DATA, number, size)
                plain[_HEAD.size : _HEAD.size + size] = content[at : at + size]
                plain[_HEAD.size + size : length] = noise[:padding]
                head = length.to_bytes(4, "big")
                sealed[end : end + 4] = head
                end += 4 + length + _TAG
                into = sealed[end - length - _TAG : end]
                aead.encrypt_into(cipher._iv, plain[:length], head, into)
                cipher._update_iv()
                connection._send_seq = (connection._send_seq + 1) & _U32
                connection._rekey_bytes_sent += length
                at += size
        connection._send(out)

    def _room(self, most: int) -> bytearray:
        wanted = most + _HEAD.size + 2 * _BLOCK
        if len(self._scratch) < wanted:
            self._scratch = bytearray(wanted)
        return self._scratch

    # What is opened.

    def _can_open(self) -> bool:
        connection = self._connection
        return bool(
            connection._kex_complete
            and connection._auth_complete
            and connection._decompressor is None
            and connection._recv_handler == connection._recv_pkthdr
            and self._opening.is_of(connection._recv_encryption)
        )

    def _take(self, data: bytes) -> int:
        """Takes whole packets from the beginning of what was received; returns how many bytes they had."""
        connection, at = self._connection, 0
        most = connection._max_recv_pktlen
        while len(data) - at >= _LEAST_PACKET:
            length = int.from_bytes(data[at : at + 4], "big")
            end = at + 4 + length + _TAG
            if end > len(data) and length <= most:
                break
            if not self._take_packet(data[at : at + 4], data[at + 4 : end]):
                connection._inpbuf = data[at:end]
                connection._recv_data()
                if connection._inpbuf or not self._can_open():
                    if connection._transport is not None:
                        connection._inpbuf += data[end:]
                        connection._recv_data()
                    return len(data)
            at = end
        return at

    def _take_packet(self, head: bytes, sealed: bytes) -> bool:
        """Takes one packet; False, and nothing has changed, where asyncssh has to do it."""
        connection, channel = self._connection, self._channel
        cipher, aead = self._opening.cipher, self._opening.aead
        try:
            plain = aead.decrypt(cipher._iv, sealed, head)
            padding, kind, number, size = _HEAD.unpack_from(plain)
        except (InvalidTag, ValueError, struct.error):
            return False
        if number != channel._recv_chan or channel._recv_state != "open":
            return False
        is_data = kind == MSG_CHANNEL_DATA
        if is_data:
            if size + padding != len(plain) - _HEAD.size or not 0 < size <= channel._recv_window:
                return False
        elif kind != MSG_CHANNEL_WINDOW_ADJUST or padding != len(plain) - _HEAD.size:
            return False
        cipher._update_iv()
        connection._recv_seq = (connection._recv_seq + 1) & _U32
        if is_data:
            channel._accept_data(plain[_HEAD.size : _HEAD.size + size])
        else:
            channel._send_window += size  # used when all that was received is taken
        return True
