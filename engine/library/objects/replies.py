"""What the answers of a store say of objects and lists, as botocore names it, and why it refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from engine.library.objects.faults import Kind, StoreFault, fault_of_response

_ANSWERS = {
    "etag": "ETag",
    "x-amz-checksum-sha256": "ChecksumSHA256",
    "content-range": "ContentRange",
    "content-length": "ContentLength",
}
_ELSEWHERE = frozenset({"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"})
_CODE = re.compile(rb"<Code>([A-Za-z0-9._-]{1,100})</Code>")


class ElsewhereError(Exception):
    """The store says that the bucket lies elsewhere: botocore knows what to do about it."""


def object_of(headers: Mapping[str, str]) -> dict[str, Any]:
    """What an answer says of an object, as botocore names it."""
    found: dict[str, Any] = {
        name: headers[header] for header, name in _ANSWERS.items() if header in headers
    }
    if "ContentLength" in found:
        if not found["ContentLength"].isdecimal():
            raise StoreFault(Kind.NETWORK, text="the length in an answer is none")
        found["ContentLength"] = int(found["ContentLength"])
    return found


def list_of(body: bytes) -> dict[str, Any]:
    """A page of a list as botocore names it, as far as it is needed.

    Raises:
        StoreFault: it is none.
    """
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat bounds what entities may grow to
        if _plain(root) != "ListBucketResult":  # an error, or the page of a proxy: no empty list
            raise ValueError(root.tag)
        found: dict[str, Any] = {"Contents": [], "CommonPrefixes": []}
        for element in root:
            name = _plain(element)
            if name == "Contents":
                item: dict[str, Any] = {_plain(one): one.text or "" for one in element}
                found[name].append(
                    {"Key": item["Key"], "ETag": item.get("ETag"), "Size": int(item["Size"])}
                )
            elif name == "CommonPrefixes":
                found[name] += [{"Prefix": one.text or ""} for one in element]
            else:
                found[name] = element.text or ""
    except (ElementTree.ParseError, KeyError, ValueError) as err:
        raise StoreFault(Kind.NETWORK, text="the answer to a list is none") from err
    found["IsTruncated"] = found.get("IsTruncated") == "true"
    if found.get("EncodingType") == "url":
        for item in found["Contents"]:
            item["Key"] = unquote_plus(item["Key"])
        for item in found["CommonPrefixes"]:
            item["Prefix"] = unquote_plus(item["Prefix"])
    return found


def _plain(element: ElementTree.Element) -> str:
    """The name of an element without its namespace."""
    return element.tag.rpartition("}")[2]


def refusal_of(status: int, body: bytes) -> StoreFault | ElsewhereError:
    code = _CODE.search(body)
    said = code[1].decode("ascii") if code else ""
    if status in (301, 302, 307, 308) or said in _ELSEWHERE:
        return ElsewhereError()
    response = {"HTTPStatusCode": status}
    return fault_of_response({"Error": {"Code": said}, "ResponseMetadata": response})
