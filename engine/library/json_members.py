"""JSON put together from its members: a line of a fixed form takes a third of what an encoder takes.

There may be millions of lines in a manifest or a journal, each with the same members; only names
need an encoder.
"""

from __future__ import annotations

import base64
import json

_JSON = json.JSONEncoder()  # made once: `dumps` makes one for each call


def bytes_member(key: str, value: bytes) -> str:
    """The member `key` with exact bytes, `key_base64` where they are not UTF-8; only ASCII.

    Args:
        key: a plain word.
    """
    try:
        return f'"{key}":{_JSON.encode(value.decode("utf-8"))}'
    except UnicodeDecodeError:
        return f'"{key}_base64":{base64_text(value)}'


def base64_text(value: bytes) -> str:
    """Any bytes as a JSON string."""
    return f'"{base64.b64encode(value).decode("ascii")}"'
