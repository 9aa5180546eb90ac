"""The systemd unit of the service: it may read its sources, and write its libraries and its state."""

from __future__ import annotations

import getpass
import os
from collections.abc import Sequence

from engine.model.errors import UsageError
from engine.model.names import shown

_UNIT = """\
# auxtui: the service of {home}
# {install}
[Unit]
Description=auxtui: auxiliary copies of {home_text}
Documentation=man:systemd.service(5)
After=local-fs.target network-online.target
Wants=network-online.target
RequiresMountsFor={home}

[Service]
Type=simple
ExecStart={python} -m auxtui --home {home} service run
{identity}KillMode=mixed
KillSignal=SIGTERM
TimeoutStopSec=60
Restart=always
RestartSec=2
UMask=0077
Nice=5
IOSchedulingClass=best-effort
IOSchedulingPriority=6
MemoryMax=1G
TasksMax=256

# Sources are read, never written; only libraries and the state are writable.
ProtectSystem=strict
ProtectHome=read-only
{paths}NoNewPrivileges=yes
{temporary}{more}LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM

[Install]
WantedBy={target}
"""
_SYSTEM_ONLY = """\
# Root is not needed. To read sources of other users, give it this one capability, in both lines:
# CAP_DAC_READ_SEARCH; to keep owners on copies also CAP_CHOWN CAP_FOWNER.
CapabilityBoundingSet=
AmbientCapabilities=
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
RemoveIPC=yes
"""
_INSTALL = "save as /etc/systemd/system/auxtui.service, then: systemctl enable --now auxtui.service"
_INSTALL_FOR_USER = (
    "save as ~/.config/systemd/user/auxtui.service, then: "
    "systemctl --user enable --now auxtui.service; loginctl enable-linger"
)
_HIDDEN_BY_SYSTEMD = ("/tmp", "/var/tmp")  # noqa: S108 - what PrivateTmp covers


def unit_text(
    *, home: str, python: str, landings: Sequence[str], libraries: Sequence[str], for_user: bool
) -> str:
    """A unit file.

    Args:
        home: the directory of the state.
        python: the interpreter that has auxtui.
        landings: directories that are only read.
        libraries: directories that are written.
        for_user: for the user manager; else for the system's, under the present user.

    Raises:
        UsageError: a path that a unit file cannot hold.
    """
    writable = sorted({home, *libraries})
    # A library that is not mounted yet must not keep the service from starting: the minus.
    paths = "".join(f"ReadWritePaths={_quoted(path, optional=path != home)}\n" for path in writable)
    paths += "".join(
        f"ReadOnlyPaths={_quoted(path, optional=True)}\n"
        for path in sorted(set(landings))  # the innermost path decides, also inside a library
    )
    in_temporary = any(
        _is_inside(path, directory)
        for path in (home, *libraries, *landings)
        for directory in _HIDDEN_BY_SYSTEMD
    )
    return _UNIT.format(
        home=_quoted(home),
        home_text=shown(home).replace("%", "%%"),
        python=_quoted(python),
        install=_INSTALL_FOR_USER if for_user else _INSTALL,
        identity="" if for_user else f"User={getpass.getuser()}\n",
        paths=_paths(home, landings, libraries),
        temporary="" if in_temporary else "PrivateTmp=yes\n",
        more="" if for_user else _SYSTEM_ONLY,
        target="default.target" if for_user else "multi-user.target",
    )


def _paths(home: str, landings: Sequence[str], libraries: Sequence[str]) -> str:
    # A library that is not mounted yet must not keep the service from starting: the minus.
    lines = [
        f"ReadWritePaths={_quoted(path, optional=path != home)}\n"
        for path in sorted({home, *libraries})
    ]
    lines += [  # the innermost path decides, also inside a library
        f"ReadOnlyPaths={_quoted(path, optional=True)}\n" for path in sorted(set(landings))
    ]
    return "".join(lines)


def _is_inside(path: str, directory: str) -> bool:
    return os.path.commonpath((path, directory)) == directory


def _quoted(path: str, *, optional: bool = False) -> str:
    """A path as systemd reads it: specifiers and quotes escaped, spaces kept."""
    if not path.isprintable():
        raise UsageError(
            f"a unit file cannot hold the path {shown(path)}", hint="use a directory without it"
        )
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    text = f"-{escaped}" if optional else escaped
    return f'"{text}"' if any(char in text for char in " \"'\\;#") else text
