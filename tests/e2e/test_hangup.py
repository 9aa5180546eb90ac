"""A console whose terminal is lost, or takes nothing any more, never stays behind."""

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time

import pytest

from auxtui.terminal import has_hung_up
from tests.cell import Cell

PATIENCE_S = 240.0


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_console_ends_although_its_terminal_takes_nothing(
    cell: Cell, number: signal.Signals
) -> None:
    cell.apply()
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environ = {**os.environ, "TERM": "xterm-256color", "AUXTUI_HOME": str(cell.home.path)}
    console = subprocess.Popen(
        [sys.executable, "-m", "auxtui"], stdin=slave, stdout=slave, stderr=slave, env=environ
    )
    os.close(slave)
    try:
        seen, end = b"", time.monotonic() + PATIENCE_S
        while b"Storage Policies" not in seen:
            seen += os.read(master, 65536)
            assert time.monotonic() < end
        os.set_blocking(master, False)
        for _ in range(200):  # each opens or leaves help: far more than a terminal and a queue hold
            try:
                os.write(master, b"?q")
            except BlockingIOError:
                break
            time.sleep(0.02)

        console.send_signal(number)
        console.wait(PATIENCE_S)
    finally:
        console.kill()
        console.wait()
        os.close(master)


def test_a_terminal_that_is_gone_is_seen() -> None:
    master, slave = pty.openpty()
    try:
        assert not has_hung_up(slave)
        os.close(master)
        assert has_hung_up(slave)
    finally:
        os.close(slave)
