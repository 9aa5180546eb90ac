"""The CommCell tree: policies with their copies and what these owe, clients, libraries, MediaAgents."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

from engine.catalog.live_rows import at
from engine.catalog.live_rules import RuleQueries
from engine.catalog.live_values import (
    CopyCounts,
    Estate,
    LiveClient,
    LiveCopy,
    LiveLibrary,
    LiveLine,
    LiveMediaAgent,
    LivePath,
    LivePolicy,
    LiveSubclient,
)
from engine.catalog.live_watch import WatchQueries

_COPIES = """
SELECT c.id, c.policy_id, p.name AS policy, c.name, c.kind, c.library_id,
       coalesce(l.name, '') AS library, coalesce(s.name, '') AS source, c.active, c.precedence,
       c.retain_s, c.retain_cycles, c.extended, c.defer_s, c.on_and_after, c.select_rule, c.select_every,
       c.take, c.compression, c.encrypt_to, c.throttle_bps, c.reflink
FROM policy_copy c
JOIN storage_policy p ON p.id = c.policy_id
LEFT JOIN library l ON l.id = c.library_id
LEFT JOIN policy_copy s ON s.id = c.source_copy_id
ORDER BY p.name, c.kind <> 'primary', c.precedence, c.id
"""

_OWED = """
SELECT j.copy_id, j.state, sum(b.size_bytes) AS bytes, min(b.adopted_at) AS oldest
FROM job_copy j JOIN backup_job b ON b.id = j.backup_job_id
WHERE j.state IN ('to_be_copied', 'partially_copied', 'bad')
GROUP BY j.copy_id, j.state
"""

_AGAIN = """
SELECT j.copy_id, count(*) AS n, sum(b.size_bytes) AS bytes, min(j.decided_at) AS oldest
FROM job_copy j JOIN backup_job b ON b.id = j.backup_job_id
WHERE j.decision <> '' AND j.decision = 'recopy' AND j.state IN ('available', 'bad')
GROUP BY j.copy_id
"""

_SUBCLIENTS = """
SELECT s.id, s.client_id, c.name AS client, s.name, p.name AS policy, s.kind, s.landing,
       s.pattern, s.settle_s, s.level, s.state, s.state_reason, s.scanned_at
FROM subclient s JOIN client c ON c.id = s.client_id JOIN storage_policy p ON p.id = s.policy_id
ORDER BY c.name, s.name
"""

_LEFT = """
SELECT subclient_id, count(*) AS n FROM landing_observation
WHERE fingerprint = '' AND reason NOT LIKE 'it is %' GROUP BY subclient_id
"""

_LAST_RUNS = """
SELECT id, policy_id, state, reason FROM job WHERE id IN (
  SELECT max(id) FROM job
  WHERE operation = 'auxcopy' AND state IN ('completed', 'completed_with_errors', 'failed', 'killed')
  GROUP BY policy_id)
"""

_PATHS = """
SELECT l.name AS library, m.name AS media_agent,
       CASE d.url WHEN '' THEN l.url ELSE d.url END AS url,
       CASE WHEN l.state = 'offline' OR d.state = 'unknown' THEN l.state ELSE d.state END AS state,
       CASE WHEN l.state = 'offline' OR d.state = 'unknown' THEN l.state_reason ELSE d.state_reason
       END AS reason,
       l.checked_at AS checked_at
FROM data_path d JOIN library l ON l.id = d.library_id
JOIN media_agent m ON m.id = d.media_agent_id ORDER BY d.position, m.name
"""


class EstateQueries(WatchQueries, RuleQueries):
    """Queries of the tree."""

    def estate(self) -> Estate:
        """The whole tree; the counts come from an index, 300,000 job copies take a fraction of a second."""
        cell = self._rows("SELECT name FROM commcell")
        by_library: dict[str, list[str]] = defaultdict(list)
        by_agent: dict[str, list[LivePath]] = defaultdict(list)
        for row in self._rows(_PATHS):
            by_library[row["library"]].append(row["media_agent"])
            path = LivePath(**{**dict(row), "checked_at": at(row["checked_at"])})
            by_agent[row["media_agent"]].append(path)
        subclients = self._subclients()
        return Estate(
            commcell=cell[0]["name"] if cell else "",
            time_zone=self.time_zone(),
            policies=self._policies(subclients),
            clients=self._clients(subclients),
            libraries=self._libraries(by_library),
            media_agents=tuple(
                LiveMediaAgent(
                    **dict(row),
                    libraries=tuple(path.library for path in by_agent[row["name"]]),
                    paths=tuple(by_agent[row["name"]]),
                )
                for row in self._rows(
                    "SELECT id, name, time_zone, max_streams FROM media_agent ORDER BY name"
                )
            ),
            schedules=self.schedules(),
            windows=self.windows(),
            off=self.switched_off(),
            alerts=tuple(row["name"] for row in self._rows("SELECT name FROM alert ORDER BY name")),
        )

    def time_zone(self) -> str:
        """IANA name of the zone in which the times of the CommCell are told."""
        cell = self._rows("SELECT time_zone FROM commcell")
        return str(cell[0]["time_zone"]) if cell else "UTC"

    def throttles(self, policy: str) -> dict[str, tuple[int | None, list[dict[str, Any]]]]:
        """Limits of the copies of a policy by name: outside of all rows, and the rows of a week."""
        return {
            row["name"]: (row["throttle_bps"], json.loads(row["throttle_timetable"] or "[]"))
            for row in self._rows(
                "SELECT c.name, c.throttle_bps, c.throttle_timetable FROM policy_copy c"
                " JOIN storage_policy p ON p.id = c.policy_id WHERE p.name = ?",
                policy,
            )
        }

    def copy_counts(self) -> dict[int, CopyCounts]:
        """Per copy id: backup jobs by state, and bytes that are owed."""
        counted: dict[int, dict[str, int]] = defaultdict(dict)
        for row in self._rows(
            "SELECT copy_id, state, count(*) AS n FROM job_copy GROUP BY copy_id, state"
        ):
            counted[row["copy_id"]][row["state"]] = row["n"]
        facts: dict[int, dict[str, Any]] = defaultdict(lambda: {"owed_bytes": 0, "bad_bytes": 0})

        def owes(row: Any) -> None:
            fact, oldest = facts[row["copy_id"]], at(row["oldest"])
            fact["owed_bytes"] += row["bytes"]
            if oldest is not None:
                fact["oldest_owed_at"] = min(oldest, fact.get("oldest_owed_at", oldest))

        for row in self._rows(_OWED):
            if row["state"] == "bad":
                facts[row["copy_id"]]["bad_bytes"] = row["bytes"]
            else:
                owes(row)
        for row in self._rows(_AGAIN):
            facts[row["copy_id"]]["again"] = row["n"]
            owes(row)
        return {
            copy_id: CopyCounts(by_state=states, **facts[copy_id])
            for copy_id, states in counted.items()
        }

    def library_use(self, library_id: int) -> tuple[tuple[int, str, str, int, int], ...]:
        """Copy id, policy, copy, backup jobs and bytes that are available on a library."""
        rows = self._rows(
            "SELECT c.id, p.name, c.name, count(j.backup_job_id), coalesce(sum(b.size_bytes), 0)"
            " FROM policy_copy c JOIN storage_policy p ON p.id = c.policy_id"
            " LEFT JOIN job_copy j ON j.copy_id = c.id AND j.state = 'available'"
            " LEFT JOIN backup_job b ON b.id = j.backup_job_id"
            " WHERE c.library_id = ? GROUP BY c.id ORDER BY p.name, c.precedence",
            library_id,
        )
        return tuple((row[0], row[1], row[2], row[3], row[4]) for row in rows)

    def _policies(self, subclients: tuple[LiveSubclient, ...]) -> tuple[LivePolicy, ...]:
        counts, standings = self.copy_counts(), self.standings()
        copies: dict[int, list[LiveCopy]] = defaultdict(list)
        for row in self._rows(_COPIES):
            values = dict(row)
            values["active"], values["reflink"] = bool(row["active"]), bool(row["reflink"])
            values["on_and_after"] = at(row["on_and_after"])
            values["encrypt_to"] = tuple(json.loads(row["encrypt_to"] or "[]"))
            rules = json.loads(row["extended"] or "[]")
            values["extended"] = tuple((rule["keep"], rule["retain_s"]) for rule in rules)
            if not row["source"] and row["kind"] != "primary":
                first = copies[row["policy_id"]]
                values["source"] = first[0].name if first else ""
            copies[row["policy_id"]].append(
                LiveCopy(
                    **values,
                    counts=counts.get(row["id"], CopyCounts()),
                    standing=standings.get(row["id"]),
                )
            )
        last = {
            row["policy_id"]: (row["id"], row["state"], row["reason"])
            for row in self._rows(_LAST_RUNS)
        }
        return tuple(
            LivePolicy(
                **dict(row),
                copies=tuple(copies[row["id"]]),
                subclients=sum(sub.policy == row["name"] for sub in subclients),
                last_run=last.get(row["id"]),
            )
            for row in self._rows("SELECT id, name, description FROM storage_policy ORDER BY name")
        )

    def _subclients(self) -> tuple[LiveSubclient, ...]:
        found: list[LiveSubclient] = []
        left = {row["subclient_id"]: row["n"] for row in self._rows(_LEFT)}
        for row in self._rows(_SUBCLIENTS):
            values = dict(row)
            values["scanned_at"] = at(row["scanned_at"])
            found.append(LiveSubclient(**values, left=left.get(row["id"], 0)))
        return tuple(found)

    def _clients(self, subclients: tuple[LiveSubclient, ...]) -> tuple[LiveClient, ...]:
        by_client: dict[int, list[LiveSubclient]] = defaultdict(list)
        for subclient in subclients:
            by_client[subclient.client_id].append(subclient)
        return tuple(
            LiveClient(**dict(row), subclients=tuple(by_client[row["id"]]))
            for row in self._rows("SELECT id, name FROM client ORDER BY name")
        )

    def _libraries(self, agents: dict[str, list[str]]) -> tuple[LiveLibrary, ...]:
        found: list[LiveLibrary] = []
        for row in self._rows(
            "SELECT id, name, url, writers, state, state_reason, free_bytes, total_bytes,"
            " checked_at, line, last_error, last_error_at FROM library ORDER BY name"
        ):
            values = dict(row)
            values["checked_at"] = at(row["checked_at"])
            values["last_error_at"] = at(row["last_error_at"])
            values["line"] = _line(row["line"])
            found.append(LiveLibrary(**values, media_agents=tuple(agents[row["name"]])))
        return tuple(found)


def _line(text: str) -> LiveLine | None:
    """What a probe has kept of the line; None where there is none, or not as this version keeps it."""
    try:
        found: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in json.loads(text).items()
        }
        return LiveLine(**found)
    except (TypeError, ValueError, AttributeError):
        return None
