"""What botocore, aiohttp and connections raise, as a `StoreFault`."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
)
from botocore.exceptions import (
    ConnectionError as NoConnection,
)

from engine.library.objects.address import S3Address
from engine.library.objects.answers import CutOffError, GarbledError
from engine.library.objects.faults import Kind, StoreFault, fault_of_response
from engine.library.objects.lines import UnreachedError
from engine.model.names import shown


@contextmanager
def translated(address: S3Address) -> Iterator[None]:
    """Raises what goes wrong in a block as `StoreFault`, with names that are ours."""
    try:
        yield
    except ClientError as err:
        raise fault_of_response(err.response) from err
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as err:
        raise StoreFault(
            Kind.AUTH,
            text="there are no credentials",
            hint="set them in the environment or a profile of the service's account, or name a file",
        ) from err
    except ProfileNotFound as err:
        raise StoreFault(
            Kind.AUTH,
            text=f"there is no profile {shown(address.profile)}",
            hint="add it to ~/.aws/credentials of the account of the service",
        ) from err
    except UnreachedError as err:
        raise _unreached(err.why, _server(address)) from err
    except aiohttp.ClientConnectorCertificateError as err:
        raise _untrusted(_server(address)) from err
    except aiohttp.ClientConnectorDNSError as err:
        raise _unknown(_server(address)) from err
    except aiohttp.ClientConnectorError as err:
        raise _unreached(err.os_error, _server(address)) from err
    except SSLError as err:
        raise _untrusted(_server(address)) from err
    except (
        IncompleteReadError,
        ResponseStreamingError,
        aiohttp.ClientPayloadError,
        CutOffError,
    ) as err:
        raise StoreFault(Kind.NETWORK, text="the answer ended early") from err
    except GarbledError as err:
        raise StoreFault(
            Kind.NETWORK,
            text=f"what {_server(address)} answers is no HTTP: {err}",
            hint="look at the address, and at what stands between: it goes on by itself",
        ) from err
    except (NoConnection, HTTPClientError, aiohttp.ClientError, TimeoutError, OSError) as err:
        raise StoreFault(
            Kind.NETWORK,
            text=f"{_server(address)} does not answer ({type(err).__name__})",
            hint="look at the network and at the server; it goes on by itself",
            is_silence=isinstance(err, (TimeoutError, ReadTimeoutError, ConnectTimeoutError)),
        ) from err
    except BotoCoreError as err:
        raise StoreFault(
            Kind.REFUSED, text=f"the request is not possible ({type(err).__name__})"
        ) from err


def _server(address: S3Address) -> str:
    return shown(address.endpoint or "Amazon S3")


def _untrusted(server: str) -> StoreFault:
    return StoreFault(
        Kind.CONFIG,
        text=f"the certificate of {server} cannot be trusted",
        hint="correct the endpoint, or set AWS_CA_BUNDLE for the service",
    )


def _unknown(server: str) -> StoreFault:
    return StoreFault(
        Kind.NETWORK,
        text=f"the name of {server} is not known",
        hint="correct the endpoint, or the name service of this host",
    )


def _unreached(why: OSError, server: str) -> StoreFault:
    """The fault for a connection that could not be made."""
    if isinstance(why, ssl.SSLCertVerificationError):
        return _untrusted(server)
    if isinstance(why, ssl.SSLError):
        return StoreFault(
            Kind.CONFIG,
            text=f"{server} makes no encrypted connection",
            hint="write http:// into the endpoint if it has none, and know that nothing is hidden then",
        )
    if isinstance(why, socket.gaierror):
        return _unknown(server)
    says = "refuses connections" if why.errno == errno.ECONNREFUSED else "is not reached"
    return StoreFault(
        Kind.NETWORK,
        text=f"{server} {says}",
        hint="start it, or correct the endpoint; it goes on by itself when it is there",
    )
