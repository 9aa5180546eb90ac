"""Asks the service: files a request, waits for the answer, starts the service when it is needed."""

from __future__ import annotations

import time
from typing import Any

from engine.catalog import requests
from engine.catalog.home import Home
from engine.catalog.opening import Catalog, open_catalog
from engine.control.lock import is_held
from engine.control.starting import start_detached
from engine.model.clock import system_clock
from engine.model.errors import (
    EXIT_NOT_FOUND,
    EXIT_TRY_LATER,
    EXIT_USAGE,
    AuxError,
    NotFoundError,
    ServiceError,
    UsageError,
)
from engine.model.states import RequestKind, RequestState

ANSWER_TIMEOUT_S = 30.0
POLL_S = 0.03


def ensure_service(home: Home) -> None:
    """Starts the service unless one runs.

    Raises:
        ServiceError: it cannot start.
        NotFoundError: there is no catalog in this home.
    """
    if is_held(home.service_lock):
        return
    open_catalog(home).close()
    start_detached(home)


def request(
    home: Home,
    kind: RequestKind,
    job_id: int | None,
    payload: dict[str, Any],
    *,
    by: str,
    timeout_s: float = ANSWER_TIMEOUT_S,
) -> dict[str, Any]:
    """Files a request, waits for the answer of the service and returns it.

    Raises:
        AuxError: what the service refused it with, of the class that its exit code says.
        ServiceError: no answer in time; the request stays filed.
    """
    if kind is not RequestKind.STOP_SERVICE:
        ensure_service(home)
    catalog = open_catalog(home)
    try:
        now = system_clock()
        with catalog.write() as session:
            request_id = requests.file_request(
                session, kind=kind, by=by, job_id=job_id, payload=payload, now=now
            )
        deadline_mono_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_mono_s:
            with catalog.read() as session:
                row = requests.request(session, request_id)
            if row.state != RequestState.FILED:
                return _answer(row.state, row.answer)
            if kind is not RequestKind.STOP_SERVICE:
                ensure_service(home)  # should it have died, its successor answers
            elif not is_held(home.service_lock):
                return _withdraw(catalog, request_id, "the service had ended already")
            time.sleep(POLL_S)
        if kind is RequestKind.STOP_SERVICE:
            _withdraw(catalog, request_id, "the service did not answer")
    finally:
        catalog.close()
    raise ServiceError(
        f"the service has not answered within {timeout_s:.0f} s",
        hint="the request stays filed; see `auxtui service status`",
    )


def _withdraw(catalog: Catalog, request_id: int, why: str) -> dict[str, Any]:
    """Answers a request to stop in the service's place, or it would stop the next one."""
    now = system_clock()
    with catalog.write() as session:
        requests.answer(session, request_id, done=True, answer={"withdrawn": why}, now=now)
        return requests.request(session, request_id).answer


_ERRORS: dict[int, type[AuxError]] = {
    EXIT_USAGE: UsageError,
    EXIT_NOT_FOUND: NotFoundError,
    EXIT_TRY_LATER: ServiceError,
}


def _answer(state: str, answer: dict[str, Any]) -> dict[str, Any]:
    if state == RequestState.DONE:
        return answer
    error = _ERRORS.get(int(answer.get("exit_code", 1)), AuxError)
    raise error(str(answer.get("error", "refused")), hint=str(answer.get("hint", "")))
