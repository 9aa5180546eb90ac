"""Delivers one letter: by mail, to a webhook or a healthcheck, or to a program. Blocking.

What may be a secret is read from its file when it is needed, and never stands in an error.
"""

from __future__ import annotations

import email.message
import email.utils
import json
import os
import signal
import smtplib
import socket
import ssl
import stat
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import replace
from email.headerregistry import Address
from http.client import HTTPException
from typing import Any

from engine.model.errors import DeliveryError, UsageError
from engine.model.names import shown
from engine.policy.alerting import Letter
from engine.policy.destinations import Destination, DestinationKind, destination_from

TIMEOUT_S = 20.0
PROGRAM_S = 60.0
_SECRET_BYTES = 16_384
_SHOWN_BYTES = 300  # of what a program or a server says about its refusal


def deliver(destination: Destination, letter: Letter) -> str:
    """Delivers a letter; returns when it was accepted, with a note on whom it did not reach.

    Raises:
        DeliveryError: it was not; what was tried, and why.
    """
    try:
        found = resolved(destination)
        match found.kind:
            case DestinationKind.MAIL:
                return _mail(found, letter)
            case DestinationKind.PROGRAM:
                _run(found, letter)
            case DestinationKind.HEALTHCHECK:
                _ping(found, letter)
            case _:
                _post(found, found.url, json.dumps(letter.document), "application/json")
    except (OSError, HTTPException, smtplib.SMTPException) as err:
        raise DeliveryError(
            f"{destination.label}: {_why(err)}", hint="it is tried again by itself"
        ) from err
    return ""


def resolved(destination: Destination) -> Destination:
    """A destination whose URL is a secret, with that URL.

    Raises:
        DeliveryError: its file cannot be read or trusted, or holds no such URL.
    """
    if destination.kind is not DestinationKind.FILE:
        return destination
    url = read_secret(destination.path)
    options = {"token_file": destination.token_file, "ca_file": destination.ca_file}
    try:
        found = destination_from(url, options)
    except UsageError as err:
        raise DeliveryError(f"{destination.label} is no destination") from err
    if found.kind not in (DestinationKind.WEBHOOK, DestinationKind.HEALTHCHECK):
        raise DeliveryError(f"{destination.label} is neither a webhook nor a healthcheck")
    return replace(found, path=destination.path)


def read_secret(path: str) -> str:
    """The only line of a file that only its owner can read.

    Raises:
        DeliveryError: it cannot be read, or others can read it.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError as err:
        raise DeliveryError(f"cannot read {shown(path)}: {err.strerror}") from err
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise DeliveryError(f"{shown(path)} is no regular file")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise DeliveryError(
                f"{shown(path)} can be read by others", hint=f"chmod 600 {shown(path)}"
            )
        if found.st_uid not in (os.geteuid(), 0):
            raise DeliveryError(f"{shown(path)} belongs to another user (uid {found.st_uid})")
        text = file.read(_SECRET_BYTES).decode("utf-8", "replace").strip()
    if not text or "\n" in text:
        raise DeliveryError(f"{shown(path)} must hold one line")
    return text


def check(destination: Destination) -> None:
    """Looks whether what a delivery needs on this host is there; reaches for nothing else.

    Raises:
        DeliveryError: a file is missing, or can be read by others; the program cannot be run.
    """
    found = resolved(destination)
    for path in (found.password_file, found.token_file):
        if path:
            read_secret(path)
    if found.ca_file:
        _context(found)
    if found.kind is DestinationKind.PROGRAM and not os.access(found.path, os.X_OK):
        raise DeliveryError(f"{shown(found.path)} is no program that can be run")


def _mail(destination: Destination, letter: Letter) -> str:
    mail = _mail_of(destination, letter)
    context = _context(destination) if destination.tls != "none" else None
    host, port = destination.host, destination.port
    server: smtplib.SMTP
    if destination.tls == "implicit":
        server = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT_S)
    with server:
        if destination.tls == "starttls":
            server.starttls(context=context)
        if destination.user:
            server.login(destination.user, read_secret(destination.password_file))
        refused = server.send_message(mail)
    # Accepted for the others: to try again would send it to those once more.
    return f"refused for {shown(', '.join(sorted(refused)))}" if refused else ""


def _mail_of(destination: Destination, letter: Letter) -> email.message.EmailMessage:
    host = socket.getfqdn()
    mail = email.message.EmailMessage()
    mail["From"] = destination.sender or Address("auxtui", "auxtui", host)
    mail["To"] = ", ".join(destination.recipients)
    mail["Subject"] = letter.subject
    mail["Date"] = email.utils.localtime()
    mail["Message-ID"] = f"<{letter.message_id}@{host}>"
    mail["Auto-Submitted"] = "auto-generated"  # out-of-office programs do not answer
    mail.set_content(letter.text)
    return mail


def _ping(destination: Destination, letter: Letter) -> None:
    """Success is a ping, everything else `/fail`, as healthcheck services take it."""
    url = destination.url.rstrip("/")
    _post(destination, url if letter.is_well else f"{url}/fail", letter.text, "text/plain")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST would become a GET that is answered with OK."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _post(destination: Destination, url: str, body: str, kind: str) -> None:
    headers = {"Content-Type": f"{kind}; charset=utf-8", "User-Agent": "auxtui"}
    if destination.token_file:
        headers["Authorization"] = f"Bearer {read_secret(destination.token_file)}"
    # https, or http to this host: `destination_from` has refused everything else.
    request = urllib.request.Request(  # noqa: S310
        url, data=body.encode(), headers=headers, method="POST"
    )
    opener = urllib.request.build_opener(
        _NoRedirect, urllib.request.HTTPSHandler(context=_context(destination))
    )
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            answer.read(_SHOWN_BYTES)
    except urllib.error.HTTPError as err:
        with err:  # it holds the connection
            raise DeliveryError(
                f"{destination.label}: answered {err.code} {shown(str(err.reason))}",
                hint="it is tried again by itself",
            ) from err


def _context(destination: Destination) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if destination.ca_file:
        try:
            context.load_verify_locations(destination.ca_file)
        except OSError as err:
            raise DeliveryError(
                f"cannot use the certificates in {shown(destination.ca_file)}: {_why(err)}"
            ) from err
    return context


def _run(destination: Destination, letter: Letter) -> None:
    """Runs a program with the letter on its standard input; no shell, and an exit code of 0."""
    text = f"Subject: {letter.subject}\n\n{letter.text}".encode()
    # Not a pipe: what the program leaves running in the background would hold it open.
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [destination.path, *destination.arguments],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            cwd="/",
            start_new_session=True,
        )
        try:
            process.communicate(text, timeout=PROGRAM_S)
        except subprocess.TimeoutExpired as err:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            label = destination.label
            raise DeliveryError(f"{label} did not end within {PROGRAM_S:.0f} s") from err
        said.seek(0)
        words = shown(said.read(_SHOWN_BYTES).decode("utf-8", "replace").strip())
    if process.returncode != 0:
        code = process.returncode
        raise DeliveryError(f"{destination.label} ended with {code}{': ' if words else ''}{words}")


def _why(err: Exception) -> str:
    """The reason of a failure, without URL and without what was sent."""
    match err:
        case urllib.error.URLError() if isinstance(err.reason, OSError):
            return _why(err.reason)
        case urllib.error.URLError():
            return shown(str(err.reason))
        case smtplib.SMTPRecipientsRefused():
            return f"refused the recipients {shown(', '.join(sorted(err.recipients)))}"
        case smtplib.SMTPResponseException():
            said = err.smtp_error
            text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
            return f"answered {err.smtp_code} {shown(text)}"
        case OSError() if err.strerror:
            return shown(err.strerror)
        case _:
            return shown(str(err)) or type(err).__name__
