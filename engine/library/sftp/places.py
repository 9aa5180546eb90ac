"""Where one job copy lies on the other host: while it is made, when it is available, and what it replaces."""

from __future__ import annotations

from collections.abc import Iterable

from engine.library import layout
from engine.library.interface import Place
from engine.library.sftp.far import FarSide
from engine.library.sftp.together import gathered


class Places:
    """The directories of one job copy and around it; every call raises `OSError`.

    Args:
        far: the library.
        place: policy and copy.
        job_id: of the backup job.
    """

    def __init__(self, far: FarSide, place: Place, job_id: int) -> None:
        policy, copy = layout.directories_of(place)
        name = layout.job_directory(job_id)
        self._far = far
        self.copy = far.at(policy, copy)
        """Of the copy."""
        self.partials = far.at(policy, copy, layout.PARTIAL)
        """What is being made."""
        self.removed = far.at(policy, copy, layout.REMOVED)
        """What is being removed."""
        self.above = (far.at(policy), self.copy, self.partials)
        """What must be there first, from above."""
        self.job = far.at(policy, copy, layout.PARTIAL, name)
        """The job copy while it is made."""
        self.published = far.at(policy, copy, name)
        """The job copy when it is available."""
        self.replaced = self.removed + b"/" + name
        """The one that it takes the place of."""
        self.where = b"/".join((policy, copy, name))
        """For messages."""

    async def sync_parents(self) -> None:
        """Makes a rename between the two durable."""
        await gathered([self._far.sync_directory(one) for one in (self.copy, self.partials)])

    async def change(self) -> None:
        """Puts the new one where the old one is; both stay on the media until that is durable."""
        await self._far.make_durable_directory(self.removed)
        await self._far.remove_tree(self.replaced)
        await self._far.rename_new(self.published, self.replaced)
        await self._far.sync_directory(self.removed)
        # Killed here, the next writer finds the new one complete and publishes it.
        await self._far.rename_new(self.job, self.published)

    async def drop_replaced(self) -> None:
        """Removes what was replaced, then the mark that told it from the one that is published."""
        await self._far.remove_tree(self.replaced)
        await self._far.remove_if_there(self.published + b"/" + layout.REPLACES)
        await self._far.sync_directory(self.published)

    async def sweep_removed(self, names: Iterable[bytes]) -> None:
        """Finishes removals that were killed on their way.

        Args:
            names: of all that is being removed of this copy.
        """
        for name in names:
            instead = [each + b"/" + name for each in (self.copy, self.partials)]
            looks = [self._far.is_there(each + b"/" + layout.UNPROVEN) for each in instead]
            if not any(await gathered(looks)):  # else it may have to come back
                await self._far.remove_tree(self.removed + b"/" + name)
