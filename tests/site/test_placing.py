"""Places that are in each other's way are refused, by whatever name they go."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.catalog import config
from engine.catalog.opening import Catalog
from engine.model.errors import SiteError
from tests.site.conftest import Apply

SITE = """[commcell]
name = "hq"
[libraries.vault]
url = "@/vault"
[libraries.shelf]
url = "{shelf}"
[clients.db1.subclients.pg]
policy = "databases"
landing = "{landing}"
[policies.databases.copies.offsite]
kind = "synchronous"
library = "vault"
"""


def site(*, landing: str = "@/landing", shelf: str = "@/shelf") -> str:
    return SITE.format(landing=landing, shelf=shelf)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (site(landing="@/alias"), 9, "is the place of library"),
        (site(landing="@/alias/databases/offsite"), 9, "is where a policy writes"),
        (site(landing="@/above"), 9, "has inside it the library"),
        (site(landing="@/home"), 9, "is the place of AUXTUI_HOME"),
        (site(landing="@/home/landing"), 9, "lies inside AUXTUI_HOME"),
        (site(shelf="@/alias"), 6, "is the place of library"),
        (site(shelf="@/vault/shelf"), 6, "lies inside library"),
        (site(shelf="@/home/shelf"), 6, "lies inside AUXTUI_HOME"),
        (site(shelf="@"), 6, "has inside it the library"),
        (site(shelf="/"), 6, "root directory"),
        (site(shelf="@/mnt/typo/shelf"), 6, "typo, in which the library is to lie, is not there"),
        (site(shelf="/proc"), 6, "cannot write the marker"),
    ],
)
def test_places_in_each_others_way(
    apply: Apply, catalog: Catalog, tmp_path: Path, text: str, line: int, words: str
):
    (tmp_path / "vault").mkdir()
    (tmp_path / "mnt").mkdir()
    (tmp_path / "alias").symlink_to("vault")
    (tmp_path / "above").symlink_to(".")

    with pytest.raises(SiteError) as refused:
        apply(text)

    assert refused.value.message.startswith(f"site.toml:{line}: ")
    assert words in refused.value.message
    assert refused.value.hint
    assert list((tmp_path / "mnt").iterdir()) == []
    with catalog.read() as session:
        assert config.libraries(session) == []


def test_the_directory_above_is_looked_for_by_a_like_name(apply: Apply, tmp_path: Path):
    (tmp_path / "disks").mkdir()

    with pytest.raises(SiteError, match='did you mean "disks"'):
        apply(site(shelf="@/diska/shelf"))


def test_side_by_side_is_well_and_a_landing_directory_beside_the_policies(
    apply: Apply, tmp_path: Path
):
    (tmp_path / "real").mkdir()
    (tmp_path / "shelf").symlink_to("real")

    assert apply(site(landing="@/vault/incoming"))
    assert (tmp_path / "real" / "auxtui-library.json").exists()
