from __future__ import annotations

from dataclasses import replace

from auxtui.actions import BY_ID, Target
from auxtui.job_facts import general_facts, streams_facts
from auxtui.present import Look
from auxtui.proven import torn_bytes
from engine.catalog.live import LiveCatalog
from engine.model.entries import MAX_CHUNK_BYTES
from engine.model.states import JobState, Operation


def running(home, **changes):
    with LiveCatalog(home.catalog) as live:
        job = next(each for each in live.active_jobs() if each.state is JobState.RUNNING)
    facts = {"operation": Operation.AUXCOPY, "streams": 2, "copies": ("offsite",), **changes}
    return replace(job, **facts)


def test_no_more_than_a_chunk_of_each_stream_and_copy_is_torn(home):
    many = running(home, bytes_done=10**12, copies=("offsite", "monthly"))
    few = running(home, bytes_done=1000)

    assert torn_bytes(many) == 4 * MAX_CHUNK_BYTES
    assert torn_bytes(few) == 1000
    assert torn_bytes(replace(many, state=JobState.SUSPENDED)) == 0
    assert torn_bytes(replace(many, operation=Operation.RESTORE)) == 0


def test_the_question_before_a_kill_says_what_is_copied_again(home):
    job = running(home, bytes_done=300 * 1024**2, streams=1)
    target = Target(kind="job", id=job.id, name=str(job.id), value=job)

    said = BY_ID["job.kill"].consequence([target])

    assert "300 MiB are done, up to 256 MiB in chunks not finished: copied again" in said


def test_the_facts_of_a_job_do_not_claim_that_nothing_limits_it(home):
    free, own = running(home, throttle_bps=None), running(home, throttle_bps=1024**2)
    restore = replace(own, operation=Operation.RESTORE)
    said = [dict(general_facts(job, Look()))["Throttle"].text for job in (free, own, restore)]

    assert said == [
        "none of the job; those of its copies hold too",
        "1.00 MiB/s of the job; those of its copies hold too",
        "1.00 MiB/s of the job",
    ]


def test_the_streams_of_a_job_that_has_ended_are_those_of_its_end(home):
    ended = running(home, streams=1, state=JobState.COMPLETED)

    assert streams_facts(ended)[0][1].text == "1 stream at its end; it may have had more"
    assert streams_facts(running(home, streams=1))[0][1].text == "1 stream"
