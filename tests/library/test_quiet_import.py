"""Whoever opens a library over SFTP starts no compiler: asyncssh looks for libraries while it is imported."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from zstandard import backend_c as any_shared_object

LOOK = """
import sys

started = []

def note(event, args):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.exec", "os.fork", "os.forkpty", "os.system"):
        started.append((event, args[0] if args else ""))

sys.addaudithook(note)
import engine.library.sftp.library
import asyncssh.crypto.pq as pq, asyncssh.crypto.umac as umac, ctypes.util

print(started)
print(pq._oqs_lib)
print(umac._nettle_lib)
print(ctypes.util.find_library.__module__)
"""


def test_the_import_starts_no_process_and_finds_what_the_host_has(tmp_path):
    old, new = tmp_path / "liboqs.so.9", tmp_path / "liboqs.so.10"
    for path in (old, new):
        shutil.copy(any_shared_object.__file__, path)
    script = tmp_path / "libnettle.so"  # as a host with the headers has it
    script.write_text("INPUT(libnettle.so.8)\n", encoding="ascii")

    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        env={**os.environ, "LD_LIBRARY_PATH": f"{tmp_path / 'none'}:{tmp_path}"},
        capture_output=True,
        text=True,
        check=True,
    )

    started, oqs, nettle, usual = done.stdout.splitlines()
    assert started == "[]"
    assert oqs == str(new)
    assert nettle != str(script)
    assert usual == "ctypes.util"
