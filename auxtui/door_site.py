"""The door's part for the configuration: what it is, what an edit would change, and the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from auxtui.door_base import EngineDoor


class SiteDoor(Protocol):
    """What the console asks about the configuration. Every call may raise an `AuxError`."""

    def site(self) -> Mapping[str, Any]:
        """The configuration as the values of a site file."""
        ...

    def edit(
        self,
        place: tuple[str, ...],
        table: Mapping[str, Any] | None,
        before: Mapping[str, Any] | None,
        *,
        dry_run: bool,
    ) -> Any:
        """Changes one item, or says what that would change: `changes` and `text`."""
        ...

    def apply_site(self, document: Mapping[str, Any], *, dry_run: bool) -> None:
        """Makes the configuration as a whole site file says, or says what is wrong with it."""
        ...

    def new_copy_question(self, policy: str, source: str) -> str:
        """What to ask of a new copy whose source holds much; empty: nothing."""
        ...


class Site(EngineDoor):
    """The same through the engine's front door."""

    def site(self) -> Mapping[str, Any]:
        document: Mapping[str, Any] = self._engine().site_document(self._home)
        return document

    def edit(
        self,
        place: tuple[str, ...],
        table: Mapping[str, Any] | None,
        before: Mapping[str, Any] | None,
        *,
        dry_run: bool,
    ) -> Any:
        from engine.site.editing import SiteEdit

        edit = SiteEdit(
            place=place,
            table=None if table is None else dict(table),
            before=None if before is None else dict(before),
        )
        if dry_run:
            return self._engine().try_edit(self._home, edit)
        return self._engine().apply_edit(self._home, edit, by=self._by)

    def apply_site(self, document: Mapping[str, Any], *, dry_run: bool) -> None:
        from engine.site.editing import text_of

        self._engine().apply_text(
            self._home, text_of(dict(document)), "", dry_run=dry_run, by=self._by
        )

    def new_copy_question(self, policy: str, source: str) -> str:
        return str(self._engine().new_copy_question(self._home, policy, source))
