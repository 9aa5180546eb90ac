"""Requests made by hand: signed as botocore signs them, and left to it where it knows better."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from engine.library.objects import direct
from engine.library.objects.direct import Direct
from engine.library.objects.faults import StoreFault
from engine.library.objects.library import ObjectLibrary
from engine.library.objects.replies import list_of
from engine.library.objects.signing import Keys, Signer
from engine.model.errors import LibraryOffline
from tests.library.objects.conftest import Bucket
from tests.library.samples import COMMCELL, check_copy, copy_job, sample_job
from tests.proxy import Request

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
PAYLOAD = "ab" * 32


@pytest.mark.parametrize("token", [None, "planted/token+of=the tests"])
@pytest.mark.parametrize(
    ("method", "path", "query", "headers"),
    [
        ("GET", "/bucket/copies/data/a%20b~c", "", {"range": "bytes=0-99"}),
        ("PUT", "/bucket/k", "partNumber=7&uploadId=x%2By", {"x-amz-checksum-sha256": "abc="}),
        ("PUT", "/k%0A%C3%BC", "", {"if-none-match": "*", "content-md5": "q  q=="}),
    ],
)
def test_a_signature_is_that_of_botocore(
    monkeypatch: pytest.MonkeyPatch,
    token: str | None,
    method: str,
    path: str,
    query: str,
    headers: dict[str, str],
):
    keys = Keys("AKIAPLANTED", "planted/secret", token)
    mine = {"host": "store.example:9000", **headers}
    Signer("eu-north-1").sign(method, path, query, mine, payload=PAYLOAD, keys=keys, now=NOW)
    url = f"http://store.example:9000{path}" + (f"?{query}" if query else "")
    request: Any = AWSRequest(method, url, headers=dict(headers))
    request.headers["X-Amz-Content-SHA256"] = PAYLOAD
    request.context["timestamp"] = NOW.strftime("%Y%m%dT%H%M%SZ")
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: NOW, raising=False)
    signer = S3SigV4Auth(Credentials(*keys), "s3", "eu-north-1")
    monkeypatch.setattr(signer, "payload", lambda _: PAYLOAD)
    signer.add_auth(request)
    assert mine["x-amz-date"] == request.headers["X-Amz-Date"]
    assert mine["authorization"] == request.headers["Authorization"]


def test_a_key_is_made_anew_for_another_day_and_another_secret():
    signer, made = Signer("eu-north-1"), set()
    for now, secret in ((NOW, "a"), (NOW.replace(day=4), "a"), (NOW, "b"), (NOW, "a")):
        headers = {"host": "store"}
        signer.sign(
            "GET", "/k", "", headers, payload=PAYLOAD, keys=Keys("A", secret, None), now=now
        )
        made.add(headers["authorization"].rpartition("=")[2])
    assert len(made) == 3


def test_what_it_does_not_know_is_left_to_botocore():
    assert Direct.can("put_object", {"Key": "k", "Body": b"", "ChecksumSHA256": "x"})
    assert not Direct.can("put_object", {"Key": "k", "ObjectLockMode": "COMPLIANCE"})
    assert Direct.can("head_object", {"Key": "k", "ChecksumMode": "ENABLED"})
    assert not Direct.can("head_object", {"Key": "k"})


def test_a_store_that_lies_elsewhere_is_left_to_botocore(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
):
    tried = []

    async def send(self: Direct, operation: str, params: Any) -> Any:
        tried.append(operation)
        answer = SimpleNamespace(status=301, read=_nothing)
        raise await direct._refusal(answer)

    monkeypatch.setattr(Direct, "send", send)
    library = bucket.library()
    job = sample_job()
    copy_job(library, job)
    check_copy(library, job)
    assert len(tried) == 1, "it is asked once"


async def _nothing() -> bytes:
    return b""


def test_a_client_that_looks_different_inside_is_left_to_botocore(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(direct, "_INSIDE", ("_get_session", "_is_another_version"))
    library = bucket.library()
    copy_job(library, sample_job())
    check_copy(library, sample_job())

    assert library._connection.store._direct is None
    assert all(
        "amz-sdk-invocation-id" in map(str.lower, one.headers) for one in bucket.proxy.requests
    )


def test_data_goes_by_hand_and_with_checksums(bucket: Bucket):
    library = bucket.library()
    copy_job(library, sample_job())
    data = [one for one in bucket.proxy.requests if one.is_data()]
    assert data
    for one in data:
        names = {name.lower() for name in one.headers}
        assert {"x-amz-checksum-sha256", "x-amz-content-sha256"} <= names
        assert "amz-sdk-invocation-id" not in names, "botocore's own"
    assert bucket.proxy.count(Request.is_data) == len(data)


def test_a_list_whose_spaces_are_plus_signs():
    """As Amazon's: a form, not a path."""
    body = (
        b"<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>a+b%2Bc</Key><Size>1</Size>"
        b"</Contents><CommonPrefixes><Prefix>d+e/</Prefix></CommonPrefixes></ListBucketResult>"
    )

    found = list_of(body)

    assert [one["Key"] for one in found["Contents"]] == ["a b+c"]
    assert found["CommonPrefixes"] == [{"Prefix": "d e/"}]


def test_a_proxy_of_the_environment_is_used(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    bucket.proxy.fault("403 AccessDenied", lambda _: True)
    monkeypatch.setenv("HTTP_PROXY", bucket.proxy.endpoint.replace("//", "//who:planted@"))
    monkeypatch.delenv("NO_PROXY", raising=False)
    library = library_at(bucket, "http://store.example:9000", tmp_path)

    with pytest.raises(LibraryOffline):
        library.probe()

    asked = bucket.proxy.requests[0]
    assert asked.path.startswith("http://store.example:9000/")
    assert asked.headers["Proxy-Authorization"].startswith("Basic ")


def test_a_certificate_that_nobody_vouches_for_is_refused(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with served_with_tls(tmp_path) as port:
        library = library_at(bucket, f"https://127.0.0.1:{port}", tmp_path)

        with pytest.raises(LibraryOffline, match=r"certificate of .* cannot be trusted") as caught:
            library.probe()

    assert "AWS_CA_BUNDLE" in caught.value.hint


@pytest.mark.parametrize(
    ("scheme", "where", "says", "do"),
    [
        ("https", "", "makes no encrypted connection", "http://"),
        ("http", "127.0.0.1:1", "refuses connections", "start it"),
        ("http", "none.invalid", "is not known", "name service"),
    ],
)
def test_a_server_that_is_not_reached_is_told_apart(
    bucket: Bucket, tmp_path: Path, scheme: str, where: str, says: str, do: str
):
    where = where or bucket.proxy.endpoint.removeprefix("http://")
    library = library_at(bucket, f"{scheme}://{where}", tmp_path)

    with pytest.raises(LibraryOffline, match=says) as caught:
        library.probe()

    assert do in caught.value.hint


def library_at(bucket: Bucket, endpoint: str, tmp_path: Path) -> ObjectLibrary:
    url = bucket.server.url(bucket.name, endpoint=endpoint)
    return ObjectLibrary.of_url("vault", url, home=tmp_path, uuid="", commcell_id=COMMCELL)


def own_certificate(tmp_path: Path) -> Path:
    """A file with the key and the certificate of a server that nobody vouches for but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    made = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW, NOW.replace(year=2090))
    own = made.add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
    ).sign(key, SHA256())
    pem = tmp_path / "pem"
    pem.write_bytes(
        own.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return pem


@contextmanager
def served_with_tls(tmp_path: Path) -> Iterator[int]:
    """A server whose certificate is its own; it takes one connection after the other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    taken = listening.accept()[0]
                except OSError:
                    return
                with taken, suppress(OSError):
                    context.wrap_socket(taken, server_side=True).close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_list_is_that_of_botocore(bucket: Bucket):
    library, client = bucket.library(), bucket.server.client
    names = ["a b+c%20", "\x01 &<>'", "sub/one", "sub/two", "\u00fc\u4e2d", "~-_.!*()"]
    for name in names:
        client.put_object(Bucket=bucket.name, Key=f"copies/odd/{name}", Body=name.encode())
    store = library._connection.store

    async def pages(**more: Any) -> list[dict[str, Any]]:
        return [page async for page in store.listed("copies/odd/", **more)]

    for more in ({"page": 2}, {"delimiter": "/"}, {}):
        mine = library._connection.run(pages(**more))
        asked = {"Delimiter": more["delimiter"]} if "delimiter" in more else {}
        theirs = client.list_objects_v2(Bucket=bucket.name, Prefix="copies/odd/", **asked)
        assert [
            (one["Key"], one["ETag"], one["Size"]) for page in mine for one in page["Contents"]
        ] == [(one["Key"], one["ETag"], one["Size"]) for one in theirs["Contents"]]
        assert [one["Prefix"] for page in mine for one in page["CommonPrefixes"]] == [
            one["Prefix"] for one in theirs.get("CommonPrefixes", [])
        ]
    lists = [one for one in bucket.proxy.requests if "list-type=2" in one.path]
    assert lists
    assert all("amz-sdk-invocation-id" not in map(str.lower, one.headers) for one in lists)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Sign in</body></html>",
        b"<Error><Code>InternalError</Code></Error>",
        b"<ListBucketResult><Contents><Key>k</Key></Contents></ListBucketResult>",
        b"<ListBucketResult><IsTruncated>false</IsTruncated>",
    ],
)
def test_what_is_no_list_is_not_an_empty_one(body: bytes):
    with pytest.raises(StoreFault, match="the answer to a list is none"):
        list_of(body)
