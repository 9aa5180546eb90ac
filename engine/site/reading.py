"""The site file to a configuration. Refuses with one message; touches neither catalog nor disk."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from engine.library import check_url
from engine.model.errors import UsageError
from engine.model.names import shown
from engine.model.states import CopyKind, Level, SubclientKind
from engine.policy.durations import parse_duration
from engine.site.alert_keys import read_alerts
from engine.site.backup_keys import BACKUP_KEYS, read_backup_keys, read_level
from engine.site.configuration import (
    DEFAULT_MAX_STREAMS,
    DEFAULT_SETTLE_S,
    DEFAULT_WRITERS,
    ClientItem,
    Configuration,
    LibraryItem,
    MediaAgentItem,
    PolicyItem,
    SubclientItem,
)
from engine.site.placing import refuse_entangled
from engine.site.reading_commcell import BEHIND_KEYS, read_commcell, read_own_limits
from engine.site.reading_copies import COPY_KEYS, check_sources, read_copies
from engine.site.reading_rules import read_schedules, read_windows
from engine.site.section import Section, SiteText
from engine.site.toml_text import toml_values

MAX_STREAMS = 256
MAX_WRITERS = 256
_TABLES = (
    "commcell",
    "media_agents",
    "libraries",
    "clients",
    "policies",
    "windows",
    "schedules",
    "alerts",
)
_SUBCLIENT_KEYS = (
    "policy",
    "landing",
    "pattern",
    "settle",
    "level",
    "content",
    *BACKUP_KEYS,
)
_SCHEMES = ("sftp", "s3")


def read_site(text: str, file_name: str, *, implied_media_agent: str) -> Configuration:
    """Reads and checks a whole site file.

    Args:
        text: its text.
        file_name: as it is to stand in messages.
        implied_media_agent: name of the MediaAgent of libraries when the file names none.

    Raises:
        SiteError: the first thing that is wrong, with file, line and the nearest right name.
    """
    site = SiteText(text, file_name)
    root = Section(site, (), toml_values(text, site), _TABLES)
    wanted = Configuration(commcell=read_commcell(root))
    _read_media_agents(root, wanted)
    libraries = _read_libraries(root, wanted)
    _imply_media_agent(libraries, wanted, implied_media_agent)
    policies = root.named("policies", ("description", "copies", *BEHIND_KEYS))
    for name, section in policies:
        wanted.policies[name] = PolicyItem(
            name=name, description=section.note("description"), behind=read_own_limits(section)
        )
    _read_clients(root, wanted)
    for name, section in policies:
        copies = section.named("copies", COPY_KEYS)
        read_copies(name, section, copies, wanted)
        check_sources(name, dict(copies), wanted)
    _check_primaries_can_back_up(root, wanted)
    refuse_entangled(wanted, site)
    _check_content_apart_from_libraries(root, wanted)
    read_windows(root, wanted)
    read_alerts(root, wanted)
    read_schedules(root, wanted)
    return wanted


def _read_media_agents(root: Section, wanted: Configuration) -> None:
    for name, section in root.named("media_agents", ("time_zone", "max_streams")):
        wanted.media_agents[name] = MediaAgentItem(
            name=name,
            time_zone=section.zone(wanted.commcell.time_zone),
            max_streams=section.integer("max_streams", DEFAULT_MAX_STREAMS, 1, MAX_STREAMS),
        )


def _read_libraries(root: Section, wanted: Configuration) -> dict[str, Section]:
    sections = dict(root.named("libraries", ("url", "media_agents", "paths", "writers")))
    known = list(wanted.media_agents)
    by_url: dict[str, str] = {}
    for name, section in sections.items():
        url = _read_url(name, section)
        if url in by_url:
            raise section.error("url", f'library "{by_url[url]}" lies there already')
        by_url[url] = name
        agents = section.choices("media_agents", known, "MediaAgent")
        if not agents and len(known) > 1:
            raise section.error(
                "media_agents" if "media_agents" in section else None,
                f'needs "media_agents": there are {len(known)} MediaAgents',
                hint=f"name those that reach it, of: {', '.join(known)}",
            )
        wanted.libraries[name] = LibraryItem(
            name=name,
            url=url,
            media_agents=agents,
            paths=_read_paths(name, section.table("paths", agents), agents),
            writers=section.integer("writers", DEFAULT_WRITERS, 1, MAX_WRITERS),
        )
    return sections


def _read_paths(
    name: str, section: Section, agents: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    return tuple((agent, _read_url(name, section, agent)) for agent in agents if agent in section)


def _read_url(name: str, section: Section, key: str = "url") -> str:
    url = section.required(key)
    scheme, separator, _ = url.partition("://")
    if not separator:
        return read_directory(section, key)
    if scheme not in _SCHEMES:
        raise section.error(
            key,
            f'"{shown(scheme)}://" is no kind of library',
            hint="a directory like /mnt/vault, sftp://host/path, s3://bucket/prefix",
        )
    if scheme == "sftp":
        section.understood(key, lambda: check_url(name, url))
        return url
    parts = section.understood(key, lambda: _split(url))
    if parts.password is not None:
        raise section.error(
            key,
            "a password must not stand here",
            hint="use an ssh agent, a key file (?key=FILE) or an AWS profile (?profile=NAME)",
        )
    if not parts.hostname:
        raise section.error(key, "names no host or bucket")
    return url


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as err:
        raise UsageError(f"not a URL: {err}") from err
    return parts


def read_directory(section: Section, key: str) -> str:
    """The key of an absolute directory, as one spelling."""
    path = section.required(key)
    if not path.startswith("/") or "\0" in path:
        raise section.error(
            key, f'"{shown(path)}" is not an absolute directory', hint="begin it with /"
        )
    return "/" + os.path.normpath(path).lstrip("/")


def _imply_media_agent(
    libraries: dict[str, Section], wanted: Configuration, implied_name: str
) -> None:
    if libraries and not wanted.media_agents:
        wanted.media_agents[implied_name] = MediaAgentItem(
            name=implied_name, time_zone=wanted.commcell.time_zone
        )
    only = tuple(wanted.media_agents)[:1]
    for name, item in wanted.libraries.items():
        if not item.media_agents:
            wanted.libraries[name] = LibraryItem(
                name=name, url=item.url, media_agents=only, writers=item.writers
            )


def _read_clients(root: Section, wanted: Configuration) -> None:
    taken: dict[tuple[str, str], str] = {}
    for client, section in root.named("clients", ("subclients",)):
        wanted.clients[client] = ClientItem(name=client)
        for name, table in section.named("subclients", _SUBCLIENT_KEYS):
            item = _read_subclient(client, name, table, wanted)
            wanted.subclients[client, name] = item
            if item.kind is not SubclientKind.LANDING:
                continue
            other = taken.setdefault((item.landing, item.pattern), item.label)
            if other != item.label:
                raise table.error(
                    "landing",
                    f'subclient "{other}" adopts the same pattern there already',
                    hint="give one of them another pattern or directory",
                )


def _read_subclient(
    client: str, name: str, section: Section, wanted: Configuration
) -> SubclientItem:
    policy = section.reference("policy", section.required("policy"), wanted.policies, "policy")
    has_landing, has_content = "landing" in section, "content" in section
    if has_landing == has_content:
        raise section.error(
            None,
            'needs either "landing" or "content"' + (", not both" if has_landing else ""),
            hint="landing: adopt what others write there; content: be backed up by auxtui",
        )
    for key in BACKUP_KEYS if has_landing else ("pattern", "settle"):
        if key in section:
            other = "content" if has_landing else "landing"
            raise section.error(key, f'goes with "{other}" only')
    if has_content:
        return SubclientItem(
            client=client,
            name=name,
            policy=policy,
            kind=SubclientKind.CONTENT,
            content=_read_content(section),
            level=read_level(section),
            backup=read_backup_keys(section),
        )
    return SubclientItem(
        client=client,
        name=name,
        policy=policy,
        kind=SubclientKind.LANDING,
        landing=read_directory(section, "landing"),
        pattern=_read_pattern(section),
        settle_s=section.parsed("settle", parse_duration, DEFAULT_SETTLE_S),
        level=section.choice("level", Level.FULL, tuple(Level)),
    )


def _read_content(section: Section) -> tuple[str, ...]:
    content = section.texts("content")
    if not content:
        raise section.error("content", "must name at least one directory or file")
    for path in content:
        if not path.startswith("/") or "\0" in path:
            raise section.error("content", f'"{shown(path)}" is not an absolute path')
    return content


def _read_pattern(section: Section) -> str:
    pattern = section.text("pattern", "*")
    if "/" in pattern or "\0" in pattern:
        raise section.error(
            "pattern",
            f'"{shown(pattern)}" has a slash: it matches names in the landing directory itself',
        )
    return pattern


def _check_primaries_can_back_up(root: Section, wanted: Configuration) -> None:
    """Content that is backed up needs a library to go to."""
    for policy in wanted.policies:
        primary = next(c for c in wanted.copies_of(policy) if c.kind is CopyKind.PRIMARY)
        if primary.library:
            continue
        for subclient in wanted.subclients_of(policy):
            if subclient.kind is SubclientKind.CONTENT:
                raise root.site.error(
                    primary.place,
                    f'needs "library": subclient "{subclient.label}" is backed up to it',
                    hint="only landing subclients need no library for the primary copy",
                )


def _check_content_apart_from_libraries(root: Section, wanted: Configuration) -> None:
    """What is backed up is never a library itself; one inside the content is left out of it."""
    for subclient in wanted.subclients.values():
        for path in subclient.content:
            for library in wanted.libraries.values():
                if not library.url.startswith("/"):
                    continue
                if _is_in(path, library.url):
                    raise root.site.error(
                        (*subclient.place, "content"),
                        f'"{shown(path)}" is in library "{library.name}" ({shown(library.url)})',
                        hint="copies of what is in a library are made by auxtui auxcopy",
                    )


def _is_in(path: str, library: str) -> bool:
    real = os.path.realpath(library)
    return os.path.commonpath((os.path.realpath(path), real)) == real
