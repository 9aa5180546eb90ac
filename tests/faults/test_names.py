"""Names from strangers, byte for byte from the landing directory to a restore, and inert on the way."""

from __future__ import annotations

import json
import os
import unicodedata

from engine.control import frontdoor
from tests.faults.estate import Estate
from tests.faults.oracle import ledger_of, query, tree_of

NAMES = (
    b"new\nline.dump",
    b"\x1b]0;owned\x07\x1b[2J.dump",
    b"\xc2\x9b31m c1.dump",
    b"[bold]red [@click=app.quit]x.dump",
    b"[unclosed [$primary] \\[.dump",
    b"\xff\xfe not utf-8 \x80.dump",
    b"n" * 250 + b".dump",
    "umlaut-ä.dump".encode(),
    unicodedata.normalize("NFD", "umlaut-ä.dump").encode(),
    "rtl-\u202egnp.exe.dump".encode(),
    b"-rf.dump",
    b" leading and trailing .dump ",
    b"dots..dump",
    b"quote'\"\\`$(id).dump",
    b"%s%n{0}.dump",
    b"tab\tand\rreturn.dump",
    b"CON.dump",
    b"*?.dump",
    b"manifest.jsonl.zst",
    b"data",
)


def make_landing(estate: Estate) -> None:
    """Each name once as a file and once as a directory with everything in it."""
    landing = os.fsencode(estate.cell.landing)
    for number, name in enumerate(NAMES):
        with open(os.path.join(landing, name), "wb") as stream:
            stream.write(b"content %d" % number)
        estate.oracle.knows(name)
    tree = os.path.join(landing, b"tree")
    os.mkdir(tree)
    for name in (*NAMES, b"..hidden", b"..."):
        os.makedirs(os.path.join(tree, name, name))
        with open(os.path.join(tree, name, name, name), "wb") as stream:
            stream.write(name)
        os.symlink(name, os.path.join(tree, name, b"link"))
    estate.oracle.knows(b"tree")


def test_hostile_names_go_through_exactly_and_come_back(estate: Estate) -> None:
    make_landing(estate)
    estate.apply()
    estate.start_ready()

    scanned = estate.scan()
    estate.file_run()
    assert estate.finish() == []

    assert len(scanned["adopted"]) == len(NAMES) + 1
    assert_inert(json.dumps(scanned, ensure_ascii=False))
    assert estate.jobs()[-1]["state"] == "completed"
    estate.start_ready()
    for line in ledger_of(estate.cell.home.path):
        if line.copy == "offsite":
            frontdoor.run_restore(
                estate.cell.home,
                line.backup_job_id,
                to=str(estate.root / "back"),
                copy="offsite",
                path_globs=(),
                overwrite=False,
                by="test",
            )
    estate.until(estate.is_settled)
    assert {job["state"] for job in estate.jobs()} == {"completed"}
    back = tree_of(bytes(estate.root / "back"))
    landing = tree_of(os.fsencode(estate.cell.landing))
    del back[b""], landing[b""]
    assert back == landing


def test_no_name_reaches_a_message_uncleaned(estate: Estate) -> None:
    """Every text that the service writes for people, when every one of these names has an error."""
    make_landing(estate)
    estate.apply()
    estate.start_ready()
    estate.scan()
    landing = os.fsencode(estate.cell.landing)
    for name in NAMES:
        with open(os.path.join(landing, name), "ab") as stream:
            stream.write(b"changed")

    estate.run(retries=0)
    estate.until(estate.is_settled)
    scanned = estate.scan()

    home = estate.cell.home.path
    errors = query(home, "SELECT path, error, hint FROM job_error")
    assert len(errors) >= len(NAMES)
    texts = [text for row in errors for text in row]
    texts += [row[0] for row in query(home, "SELECT message FROM event")]
    texts += [text for row in query(home, "SELECT reason, next_step FROM job_copy") for text in row]
    texts += [row[0] for row in query(home, "SELECT reason FROM job")]
    texts += [json.dumps(scanned, ensure_ascii=False), *estate.log().splitlines()]
    for text in texts:
        assert_inert(text)


def assert_inert(text: str) -> None:
    """No control, no bidi override, no lone surrogate: nothing that a terminal would obey."""
    bad = [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert bad == [], f"{bad!r} in {text!r}"
