"""`auxtui watch` for ears: a line an event, each of one line and without control characters."""

from __future__ import annotations

from dataclasses import replace

from auxtui.cli.watch import Told
from auxtui.inert import safe
from engine.catalog.live import LiveCatalog
from engine.model.states import JobState


def test_watch_says_events_tenths_and_once_a_minute_how_far_it_is(home):
    now_s = [100.0]
    told = Told(lambda: now_s[0])
    with LiveCatalog(home.catalog) as live:
        job = live.job(905)
        said = list(told.lines(job, live))
        assert said[0].startswith("job 905  error: backup job 127: offsite: cannot read pg/base")
        assert said[1:] == [
            "job 905  running  copy  41 %  4.20 GiB of 10.0 GiB  180 MiB/s  0:33 left"
        ]
        assert not list(told.lines(job, live))

        further = replace(job, bytes_done=job.bytes_done + 2**28)  # 44 %
        assert not list(told.lines(further, live))
        now_s[0] += 61
        assert len(list(told.lines(further, live))) == 1
        half = replace(further, bytes_done=job.bytes_total // 2)
        assert [" 50 % " in line for line in told.lines(half, live)] == [True]

        held = replace(half, state=JobState.PENDING, reason="library vault is offline")
        assert next(iter(told.lines(held, live))).endswith(": library vault is offline")
        ended = replace(half, state=JobState.COMPLETED)
        assert next(iter(told.lines(ended, live))).startswith("job 905 completed: 5 backup jobs")


def test_hostile_names_stay_on_their_line(hostile_home):
    with LiveCatalog(hostile_home.catalog) as live:
        for job in live.active_jobs():
            assert all(safe(line).isprintable() for line in Told().lines(job, live))
