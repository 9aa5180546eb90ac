"""What is final and what may pass: only the second is worth another attempt."""

from __future__ import annotations

import errno

import pytest

from engine.control.joblife import RETRY_DELAYS_S
from engine.library.blame import destination_error
from engine.library.interface import LibraryIdentity
from engine.library.marker import Marker, text_of
from engine.library.objects.faults import destination_fault, fault_of_response, source_fault
from engine.model.errors import DestinationError, HostKeyRefused, LibraryOffline, LibraryRefused
from engine.policy.values import RETRIES

REBOOT_S = 600


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_no_permission_does_not_pass_by_itself(number: int) -> None:
    error = destination_error(OSError(number, "no"), "write", b"/x")

    assert isinstance(error, DestinationError)
    assert not error.retryable
    assert error.hint


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.ESTALE])
def test_a_glitch_a_full_and_a_lost_disk_may_pass(number: int) -> None:
    assert destination_error(OSError(number, "no"), "write", b"/x").retryable


@pytest.mark.parametrize(
    "code", ["NoSuchBucket", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "401"]
)
def test_a_store_that_refuses_us_does_not_pass_by_itself(code: str) -> None:
    fault = fault_of_response({"Error": {"Code": code}})

    for error in (destination_fault(fault, "put", "x"), source_fault(fault, "get", "x")):
        assert isinstance(error, LibraryRefused)
        assert not error.retryable


@pytest.mark.parametrize("code", ["SlowDown", "503", "RequestTimeTooSkewed"])
def test_a_store_that_is_busy_or_waits_for_a_clock_may_pass(code: str) -> None:
    fault = fault_of_response({"Error": {"Code": code}})

    assert destination_fault(fault, "put", "x").retryable


def test_a_host_key_is_for_somebody_to_look_at() -> None:
    assert not HostKeyRefused("changed").retryable
    assert issubclass(HostKeyRefused, LibraryOffline)  # and is told as offline everywhere


def test_a_marker_that_is_not_there_may_come_back_another_one_does_not_change() -> None:
    known = Marker("vault", b"/x", "uuid", "mine")
    stranger = LibraryIdentity(uuid="u", name="vault", commcell_id="theirs", commcell="other")

    assert known.absent().retryable  # its disk is mounted in a moment
    assert not Marker("vault", b"/x", "", "mine").absent().retryable
    for text in (text_of(stranger), b"{"):
        with pytest.raises(LibraryRefused):
            known.judged(text)


def test_the_usual_retries_outlast_the_start_of_a_host() -> None:
    assert sum(RETRY_DELAYS_S[:RETRIES]) > REBOOT_S
    assert list(RETRY_DELAYS_S) == sorted(RETRY_DELAYS_S)
