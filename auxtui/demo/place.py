"""The demo's directory: taken only when it is new, empty or a demo already; made step by step."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from auxtui.demo.material import UPLOAD_SETTLES_S, Material, Say, make_material
from auxtui.demo.site_text import site_text
from engine.catalog.home import Home
from engine.catalog.opening import open_catalog
from engine.model.errors import CatalogError, UsageError
from engine.model.names import shown
from engine.site.applying import apply_site

MARKER = ".auxtui-demo"
_MARKER_TEXT = "This directory was made by `auxtui demo`. It can be removed as a whole.\n"
_HINT = "name a new directory: auxtui demo --dir DIR"


class Place:
    """The directory of one demo.

    Args:
        directory: as it was named.

    Raises:
        UsageError: it cannot stand in a site file.
    """

    def __init__(self, directory: str) -> None:
        path = os.path.abspath(directory)
        if shown(os.fsencode(path)) != path:
            raise UsageError(
                f"{shown(os.fsencode(path))} has characters that cannot be shown", hint=_HINT
            )
        self.root = Path(path)
        self.home = Home(self.root / "home")
        self.landing = self.root / "landing"

    def prepare(self, material: Material, say: Say) -> None:
        """Makes directories, material and configuration; each step is skipped when it is done.

        Raises:
            UsageError: the directory cannot be used, or has too little room.
            AuxError: the configuration cannot be applied.
        """
        try:
            with self._claimed():
                make_material(self.landing, material, say)
                self._apply()
        except OSError as err:
            raise self.refusal(err) from err

    def refusal(self, err: OSError) -> UsageError:
        """A failed system call as the reason why this directory cannot be used."""
        where = self.root if err.filename is None else os.fsdecode(err.filename)
        why = (err.strerror or str(err)).lower()
        return UsageError(f"the demo cannot use {shown(str(where))}: {why}", hint=_HINT)

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        """Holds the directory while it is made, so that two demos do not make it at once."""
        self.root.mkdir(parents=True, exist_ok=True)
        marker = self.root / MARKER
        if not marker.exists() and any(self.root.iterdir()):
            raise UsageError(f"{self.root} is not empty and is no demo", hint=_HINT)
        with marker.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as err:
                raise UsageError(
                    f"another demo is being made in {self.root}", hint="wait until it is there"
                ) from err
            if not file.tell():
                file.write(_MARKER_TEXT)
            yield

    def _apply(self) -> None:
        site = self.root / "site.toml"
        if not site.exists():
            today = datetime.now(UTC).date()
            text = site_text(self.root, upload_settles_s=UPLOAD_SETTLES_S, today=today)
            aside = site.with_suffix(".new")
            aside.write_text(text, encoding="utf-8")
            aside.rename(site)
        for library in ("vault", "shelf"):
            (self.root / library).mkdir(exist_ok=True)
        try:
            self.home.make()
        except CatalogError as err:
            raise UsageError(err.message, hint=_HINT) from err
        with open_catalog(self.home, create=True) as catalog:
            text = site.read_text(encoding="utf-8")
            apply_site(catalog, text, str(site), dry_run=False, now=datetime.now(UTC))
