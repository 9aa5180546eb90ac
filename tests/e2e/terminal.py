"""A real terminal for tests: tmux, driven by keys, read as text."""

from __future__ import annotations

import fcntl
import os
import shlex
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 240.0
TMUX_KEYS = {"enter": "Enter", "tab": "Tab", "escape": "Escape"}
KEY_PAUSE_S = 0.3  # an escape right before another key would be read as alt and that key


class Terminal:
    """One tmux server with one pane in which the console runs."""

    def __init__(self, name: str, *, width: int = 80, height: int = 24) -> None:
        self._socket = f"auxtui-{os.getpid()}-{name}"
        self._size = (width, height)
        self.pressed = 0
        """Keys that were pressed by the names of the documentation."""

    def open(self, home: Path, *, environ: dict[str, str] | None = None) -> None:
        """Starts the console on a home."""
        variables = {"AUXTUI_HOME": str(home), "TERM": "xterm-256color", **(environ or {})}
        names = [f"{key}={shlex.quote(value)}" for key, value in variables.items()]
        command = f"env -u NO_COLOR {' '.join(names)} {shlex.quote(sys.executable)} -m auxtui"
        width, height = self._size
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            str(width),
            "-y",
            str(height),
            f"{command}; echo LEFT $?; exec sleep 600",
        )

    def keys(self, *names: str) -> None:
        """Presses keys, by the names of tmux."""
        for name in names:
            self._tmux("send-keys", name)
            if name == "Escape":
                self._wait_until_read()
                time.sleep(KEY_PAUSE_S)

    def press(self, *names: str) -> None:
        """Presses keys, by the names that the documentation uses, and counts them."""
        for name in names:
            self.pressed += 1
            if len(name) == 1:
                self.write(name)
            else:
                self.keys(TMUX_KEYS.get(name, name.upper()))

    def write(self, text: str) -> None:
        """Types text."""
        self._tmux("send-keys", "-l", text)

    def text(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p")

    def sees(self, *texts: str, within_s: float = PATIENCE_S) -> str:
        """Waits until all these texts are on the screen; returns the screen."""
        return self.until(lambda screen: all(t in screen for t in texts), f"seen {texts}", within_s)

    def until(
        self, condition: Callable[[str], bool], what: str, within_s: float = PATIENCE_S
    ) -> str:
        """Waits until the screen is as wanted; returns it."""
        end = time.monotonic() + within_s
        while True:
            screen = self.text()
            if condition(screen):
                return screen
            if time.monotonic() > end:
                raise AssertionError(f"never {what}:\n{screen}")
            time.sleep(0.05)

    def resize(self, width: int, height: int) -> None:
        """Changes the size of the window."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def _wait_until_read(self) -> None:
        """Waits until the program has taken every key from its terminal."""
        end = time.monotonic() + PATIENCE_S
        tty = os.open(self._tmux("display", "-p", "#{pane_tty}").strip(), os.O_RDONLY | os.O_NOCTTY)
        try:
            while int.from_bytes(fcntl.ioctl(tty, termios.FIONREAD, bytes(4)), sys.byteorder):
                if time.monotonic() > end:
                    raise AssertionError(f"keys are not read:\n{self.text()}")
                time.sleep(0.02)
        finally:
            os.close(tty)

    def kill(self) -> None:
        """Ends the terminal, as a lost line does."""
        subprocess.run(
            ["tmux", "-L", self._socket, "kill-server"], check=False, capture_output=True
        )

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout
