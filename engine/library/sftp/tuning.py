"""What asyncssh has no option for, and costs a far library time: changed inside of it, here only.

Where it looks different inside than is known here, it works as it always does.
"""

from __future__ import annotations

from typing import Any

from engine.library.sftp.ssh import MSG_IGNORE, asyncssh, auth

_MARK = "auxtui_signs_at_once"


def tune(connection: asyncssh.SSHClientConnection, *, has_key: bool) -> None:
    """Spares packets and round trips of a connection; called before anything was said on it.

    asyncssh sends an empty packet before each one, against an attack on ciphers in CBC mode, of
    which none is offered here: it is left out. And it asks first which kinds of login a server
    takes, then whether the key would do, and signs only then: where the address names the one key
    to be used, the answers change nothing, and the first request is signed.

    Args:
        connection: that was just made.
        has_key: the address names its key.
    """
    inside: Any = connection
    usual = inside.send_packet

    def send_packet(kind: int, *args: bytes, **more: Any) -> None:
        if kind != MSG_IGNORE:
            usual(kind, *args, **more)

    inside.send_packet = send_packet
    if has_key and _CAN_SIGN_AT_ONCE and getattr(inside, "_auth_methods", None) == [b"none"]:
        connection.set_extra_info(**{_MARK: True})
        inside._auth_methods = [b"publickey"]  # a server that refuses it names what it takes


def _teach(handler: Any) -> bool:
    """Has a login with a key sign its first request, on connections that are marked."""
    usual = getattr(handler, "_start", None)
    if usual is None or not hasattr(handler, "_send_signed_request"):
        return False

    async def start(login: Any) -> None:
        connection = login._conn
        if not connection.get_extra_info(_MARK):
            await usual(login)
            return
        login._keypair = await connection.public_key_auth_requested()
        if login._keypair is None:
            connection.try_next_auth(next_method=True)
        else:
            await login._send_signed_request()

    handler._start = start
    return True


_CAN_SIGN_AT_ONCE = _teach(getattr(auth, "_ClientPublicKeyAuth", None))
