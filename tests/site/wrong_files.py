"""Site files with exactly one mistake each; `<-- here` marks the line that the message must name."""

from __future__ import annotations

SOUND = """
[media_agents.store1]
[libraries.fast]
url = "/mnt/fast"
[libraries.vault]
url = "/mnt/vault"
[clients.db1.subclients.pg]
policy = "databases"
landing = "/srv/pg"
[policies.databases.copies.offsite]
kind = "synchronous"
library = "vault"
retain = "90d"
"""

COPY = "[policies.databases.copies.more]\n"
RUN = '[schedules.s]\noperation = "auxcopy"\npolicy = "databases"\nwhen = "daily at 22:00"\n'

WRONG: dict[str, tuple[str, tuple[str, ...]]] = {
    # name: (text after SOUND, words that the message must have)
    "unknown table": ("[librarys.x]  # <-- here\nurl = '/x'\n", ("librarys", '"libraries"')),
    "unknown key": (
        COPY + 'library = "fast"\nretian = "1d"  # <-- here\n',
        ("policies.databases.copies.more.retian", '"retain"'),
    ),
    "reflinks to another host": (
        '[libraries.far]\nurl = "s3://bucket/p"\n'
        + COPY
        + 'library = "far"\nreflink = true  # <-- here\n',
        ("policies.databases.copies.more.reflink", "not on this host"),
    ),
    "reflinks of what is compressed": (
        COPY + 'library = "fast"\ncompression = "zstd"\nreflink = true  # <-- here\n',
        ("policies.databases.copies.more.reflink", "compressed"),
    ),
    "reflinks of what is encrypted": (
        COPY
        + 'library = "fast"\nreflink = true  # <-- here\nencrypt_to = ["age1gagawleskhnpzg0u4ey4clt3p3psc6tajsr0pun4prfaxuyjngxsjnlkyj"]\n',
        ("policies.databases.copies.more.reflink", "encrypted"),
    ),
    "reflinks of a primary copy": (
        "[policies.databases.copies.primary]\nreflink = true  # <-- here\n",
        ("reflink", "does not apply to a primary copy"),
    ),
    "scheduled run that may take no time": (
        RUN + 'options = {total_time = "0h"}  # <-- here\n',
        ("schedules.s.options.total_time", "no time at all"),
    ),
    "alert of a run that is not there": (
        '[alerts.mail]\non = []\nto = "exec:///bin/true"\n'
        + RUN
        + 'options = {alert = "mial"}  # <-- here\n',
        ("schedules.s.options.alert", 'did you mean "mail"'),
    ),
    "alert of a run at no time": (
        RUN + 'options = {alert = "mail", alert_when = "now"}  # <-- here\n',
        ("alert_when", "ends", "fails"),
    ),
    "path of a MediaAgent that does not reach the library": (
        '[libraries.more]\nurl = "/m"\nmedia_agents = ["store1"]\n'
        'paths = {stroe1 = "/n"}  # <-- here\n',
        ("libraries.more.paths", "stroe1", "store1"),
    ),
    "unknown key of the commcell": ('[commcell]\nnmae = "x"  # <-- here\n', ('"name"',)),
    "day that starts at no time": ('[commcell]\nday_starts = "24:00"  # <-- here\n', ("24:00",)),
    "week that starts on no day": (
        '[commcell]\nweek_starts = "fryday"  # <-- here\n',
        ('"friday"',),
    ),
    "month that starts where not every month has a day": (
        "[commcell]\nmonth_starts = 29  # <-- here\n",
        ("1 to 28",),
    ),
    "limit without a unit": ('[commcell]\nbehind_size = "25"  # <-- here\n', ("not a size",)),
    "limit that is no time": ('[commcell]\nbehind_age = "old"  # <-- here\n', ("not a duration",)),
    "setting that is no flag": (
        '[commcell]\nqueue_conflicting_auxcopy_jobs = "yes"  # <-- here\n',
        ("true or false",),
    ),
    "unknown key of a media agent": (
        "[media_agents.store2]\nmax_stream = 3  # <-- here\n",
        ('"max_streams"',),
    ),
    "unknown key of a library": (
        '[libraries.more]\nurl = "/m"\nwriter = 3  # <-- here\n',
        ('"writers"',),
    ),
    "unknown key of a subclient": (
        '[clients.db1.subclients.x]\npolicy = "databases"\nlandign = "/x"  # <-- here\n',
        ('"landing"',),
    ),
    "unknown key of a client": ('[clients.db1]\nsubclient = "x"  # <-- here\n', ('"subclients"',)),
    "unknown key of a policy": ('[policies.databases]\ndescribe = "x" # <-- here\n', ("describe",)),
    "unknown key of a window": (
        '[windows.w]\non = ["commcell"]\ndo_not_runn = [] # <-- here\n',
        ('"do_not_run"',),
    ),
    "unknown key of a period": (
        '[windows.w]\non = ["commcell"]\n'
        'do_not_run = [\n {days = "mon", from = "08:00", to = "09:00"},\n'
        ' {day = "mon", from = "08:00", to = "09:00"}, # <-- here\n]\n',
        ("do_not_run[2].day", '"days"'),
    ),
    "unknown key of a schedule": (
        '[schedules.s]\noperation = "auxcopy"\npolicy = "databases"\nwhn = "x" # <-- here\n',
        ('"when"',),
    ),
    "unknown key of an alert": ('[alerts.a]\nonn = ["failed"] # <-- here\n', ('"on"',)),
    "not toml": ("[policies.other # <-- here\n", ("not TOML",)),
    "table twice": (
        '[commcell]\nname = "a"\n[commcell] # <-- here\nname = "b"\n',
        ("not TOML", "commcell"),
    ),
    "library twice": (
        '[libraries.fast]  # <-- here\nurl = "/other"\n',
        ("not TOML",),
    ),
    "text for a number": (
        '[media_agents.store2]\nmax_streams = "4"  # <-- here\n',
        ("max_streams", "a whole number"),
    ),
    "true for a number": ("[media_agents.store2]\nmax_streams = true  # <-- here\n", ("whole",)),
    "number for a text": (COPY + "library = 4  # <-- here\n", ("must be a text",)),
    "text for true": (
        COPY + 'library = "fast"\nactive = "yes"  # <-- here\n',
        ("true or false",),
    ),
    "text for a list": (
        '[clients.w.subclients.c]\npolicy = "databases"\ncontent = "/srv" # <-- here\n',
        ("must be a list",),
    ),
    "text for a table": ('windows = "x"\n', ("must be a table",)),
    "zero streams": ("[media_agents.store2]\nmax_streams = 0  # <-- here\n", ("1 to 256",)),
    "too many writers": (
        '[libraries.more]\nurl = "/m"\nwriters = 1000  # <-- here\n',
        ("out of range",),
    ),
    "unknown zone": (
        '[commcell]\ntime_zone = "Europe/Berln"  # <-- here\n',
        ("time zone", "Europe/Berlin"),
    ),
    "unknown zone of a media agent": (
        '[media_agents.store2]\ntime_zone = "Mars"  # <-- here\n',
        ("time zone",),
    ),
    "no such policy": (
        '[clients.w.subclients.c]\npolicy = "databses"  # <-- here\nlanding = "/c"\n',
        ('no policy "databses"', '"databases"'),
    ),
    "no such library": (COPY + 'library = "volt"  # <-- here\n', ('no library "volt"', '"vault"')),
    "no such source": (
        COPY + 'library = "fast"\nsource = "ofsite"  # <-- here\n',
        ('no copy "ofsite"', '"offsite"'),
    ),
    "own source": (COPY + 'library = "fast"\nsource = "more"  # <-- here\n', ("its own source",)),
    "sources in a circle": (
        '[policies.databases.copies.a]\nlibrary = "fast"\nsource = "b"  # <-- here\n'
        '[policies.databases.copies.b]\nlibrary = "fast"\nsource = "a"\n',
        ("circle", "a -> b -> a"),
    ),
    "no such media agent": (
        '[libraries.more]\nurl = "/m"\nmedia_agents = ["stor1"]  # <-- here\n',
        ('no MediaAgent "stor1"', '"store1"'),
    ),
    "media agent twice": (
        '[libraries.more]\nurl = "/m"\nmedia_agents = ["store1", "store1"]  # <-- here\n',
        ("twice",),
    ),
    "no such subclient of the policy": (
        COPY + 'library = "fast"\nsubclients = ["db1/gp"]  # <-- here\n',
        ("db1/gp", '"db1/pg"'),
    ),
    "no such node": (
        '[windows.w]\non = ["media_agents.store"]  # <-- here\n'
        'do_not_run = [{from = "08:00", to = "09:00"}]\n',
        ('"media_agents.store1"',),
    ),
    "no library": (COPY + 'retain = "1d"\n# the table:\n', ('needs "library"',)),
    "no url": ("[libraries.more]  # <-- here\nwriters = 2\n", ('needs "url"',)),
    "no policy": ('[clients.w.subclients.c]  # <-- here\nlanding = "/c"\n', ('needs "policy"',)),
    "neither landing nor content": (
        '[clients.w.subclients.c]  # <-- here\npolicy = "databases"\n',
        ('"landing" or "content"',),
    ),
    "landing and content": (
        '[clients.w.subclients.c]  # <-- here\npolicy = "databases"\n'
        'landing = "/c"\ncontent = ["/d"]\n',
        ("not both",),
    ),
    "pattern of content": (
        '[clients.w.subclients.c]\npolicy = "databases"\ncontent = ["/d"]\n'
        'pattern = "*"  # <-- here\n',
        ('"landing" only',),
    ),
    "exclude of a landing": (
        '[clients.w.subclients.c]\npolicy = "databases"\nlanding = "/d"\n'
        'exclude = ["*"]  # <-- here\n',
        ('"content" only',),
    ),
    **{
        f"wrong {key} of content": (
            '[clients.w.subclients.c]\npolicy = "databases"\ncontent = ["/d"]\n'
            f"{key} = {value}  # <-- here\n",
            words,
        )
        for key, value, words in (
            ("exclude", '["/"]', ("leave out everything",)),
            ("level", '"differential"', ("incremental",)),
            ("one_file_system", '"yes"', ("true or false",)),
            ("volume_size", '"1KiB"', ("1MiB to 64GiB",)),
            ("volume_size", '"1 bit"', ("not a size",)),
            ("compression_level", "0", ("1 to 19",)),
            ("compression_threads", "17", ("1 to 16",)),
            ("shrunk_percent", "101", ("1 to 100",)),
        )
    },
    "schedule of a backup with the form of a run": (
        '[schedules.s]\noperation = "backup"\nwhen = "daily at 22:00"\n'
        "options = {streams = 2}  # <-- here\n",
        ("streams", "level, subclients"),
    ),
    "schedule of a backup of what lands": (
        '[schedules.s]\noperation = "backup"\nwhen = "daily at 22:00"\n'
        'options = {subclients = ["db1/pg"]}  # <-- here\n',
        ("db1/pg",),
    ),
    "volume size of a landing": (
        '[clients.w.subclients.c]\npolicy = "databases"\nlanding = "/d"\n'
        'volume_size = "1GiB"  # <-- here\n',
        ('"content" only',),
    ),
    "content in a library": (
        '[clients.w.subclients.c]\npolicy = "databases"\n'
        'content = ["/mnt/vault/x"]  # <-- here\n'
        '[policies.databases.copies.primary]\nlibrary = "fast"\n',
        ("vault",),
    ),
    "relative landing": (
        '[clients.w.subclients.c]\npolicy = "databases"\nlanding = "srv"  # <-- here\n',
        ("not an absolute directory",),
    ),
    "relative content": (
        '[clients.w.subclients.c]\npolicy = "databases"\ncontent = ["srv"]  # <-- here\n',
        ("not an absolute path",),
    ),
    "empty content": (
        '[clients.w.subclients.c]\npolicy = "databases"\ncontent = []  # <-- here\n',
        ("at least one",),
    ),
    "relative library": ('[libraries.more]\nurl = "m"  # <-- here\n', ("absolute",)),
    "empty url": ('[libraries.more]\nurl = " "  # <-- here\n', ("must not be empty",)),
    "NUL in a path": ('[libraries.more]\nurl = "/m\\u0000"  # <-- here\n', ("absolute",)),
    "unknown scheme": ('[libraries.more]\nurl = "ftp://h/x"  # <-- here\n', ("ftp://",)),
    "password in a url": (
        '[libraries.more]\nurl = "sftp://u:secret@h/x"  # <-- here\n',
        ("a password must not stand here",),
    ),
    "no host in a url": ('[libraries.more]\nurl = "sftp:///x"  # <-- here\n', ("no host",)),
    "bad port": ('[libraries.more]\nurl = "sftp://h:99999/x"  # <-- here\n', ("not a URL",)),
    "two libraries in one place": (
        '[libraries.more]\nurl = "/mnt/./fast/"  # <-- here\n',
        ('"fast" lies there already',),
    ),
    "pattern with a slash": (
        '[clients.w.subclients.c]\npolicy = "databases"\nlanding = "/c"\n'
        'pattern = "a/*"  # <-- here\n',
        ("slash",),
    ),
    "same landing twice": (
        '[clients.w.subclients.c]\npolicy = "databases"\nlanding = "/srv/pg/"  # <-- here\n',
        ('"db1/pg" adopts the same',),
    ),
    "landing is a library": (
        '[clients.w.subclients.c]\npolicy = "databases"\nlanding = "/mnt/vault"  # <-- here\n',
        ("is the place of", '"vault"'),
    ),
    "landing around a library": (
        '[clients.w.subclients.c]\npolicy = "databases"\nlanding = "/mnt"  # <-- here\n',
        ("has inside it", '"fast"'),
    ),
    "landing where copies go": (
        '[clients.w.subclients.c]\npolicy = "databases"\n'
        'landing = "/mnt/fast/databases/x"  # <-- here\n',
        ("where a policy writes",),
    ),
    "bad settle": (
        '[clients.w.subclients.c]\npolicy = "databases"\nlanding = "/c"\n'
        'settle = "5 min"  # <-- here\n',
        ("not a duration",),
    ),
    "bad level": (
        '[clients.w.subclients.c]\npolicy = "databases"\nlanding = "/c"\n'
        'level = "ful"  # <-- here\n',
        ('"full"',),
    ),
    "bad kind": (COPY + 'kind = "synchronus"  # <-- here\n', ('"synchronous"',)),
    "two primaries": (
        "[policies.databases.copies.primary]\n[policies.databases.copies.more]\n"
        'kind = "primary"  # <-- here\n',
        ("primary copy", "already"),
    ),
    "no primary": (
        "[policies.other]  # <-- here\n[policies.other.copies.primary]\n"
        'kind = "synchronous"\nlibrary = "fast"\n',
        ("no primary copy",),
    ),
    "source of a primary": (
        '[policies.databases.copies.primary]\nsource = "offsite"  # <-- here\n',
        ("does not apply to a primary",),
    ),
    "selection of a synchronous copy": (
        COPY + 'library = "fast"\nselect = "monthly"  # <-- here\n',
        ('kind = "selective" only',),
    ),
    "bad selection": (
        COPY + 'library = "fast"\nkind = "selective"\nselect = "montly"  # <-- here\n',
        ('"monthly"',),
    ),
    "bad take": (
        COPY + 'library = "fast"\nkind = "selective"\nselect = "monthly"\n'
        'take = "lst"  # <-- here\n',
        ('"last"',),
    ),
    "every without cycles": (
        COPY + 'library = "fast"\nkind = "selective"\nselect = "monthly"\nevery = 3  # <-- here\n',
        ("every-n-cycles",),
    ),
    "every zero cycles": (
        COPY + 'library = "fast"\nkind = "selective"\nselect = "every-n-cycles"\n'
        "every = 0  # <-- here\n",
        ("out of range",),
    ),
    "bad retention": (COPY + 'library = "fast"\nretain = "7 years"  # <-- here\n', ("duration",)),
    "negative retention": (COPY + 'library = "fast"\nretain = "-1d"  # <-- here\n', ("duration",)),
    "negative cycles": (
        COPY + 'library = "fast"\nretain_cycles = -1  # <-- here\n',
        ("out of range",),
    ),
    "bad extended rule": (
        COPY + 'library = "fast"\nextended = [{keep = "yearl", retain = "7y"}]  # <-- here\n',
        ('"yearly"',),
    ),
    "extended rule without a duration": (
        COPY + 'library = "fast"\nextended = [{keep = "yearly"}]  # <-- here\n',
        ('needs "retain"',),
    ),
    "bad date": (
        COPY + 'library = "fast"\non_and_after = "2026-02-30"  # <-- here\n',
        ("not a date",),
    ),
    "time for a date": (
        COPY + 'library = "fast"\non_and_after = 12:00:00  # <-- here\n',
        ("a date",),
    ),
    "same precedence": (
        COPY + 'library = "fast"\nprecedence = 3\n[policies.databases.copies.again]\n'
        'library = "fast"\nprecedence = 3  # <-- here\n',
        ('"more"', "has 3 already"),
    ),
    "bad compression": (COPY + 'library = "fast"\ncompression = "zip"  # <-- here\n', ("zip",)),
    "secret key as recipient": (
        COPY + 'library = "fast"\nencrypt_to = ["AGE-SECRET-KEY-1QQ"]  # <-- here\n',
        ("is a secret key, not a recipient",),
    ),
    "no recipient": (
        COPY + 'library = "fast"\nencrypt_to = ["age1qqqq"]  # <-- here\n',
        ("'age1qqqq' is not an age recipient", "age-keygen"),
    ),
    "a recipient of a kind that age has not": (
        COPY + 'library = "fast"\nencrypt_to = ["ssh-dss AAAAB3Nz"]  # <-- here\n',
        ("is not an age recipient",),
    ),
    "relative identity file": (
        '[commcell]\nage_identity_files = ["key"]  # <-- here\n',
        ("is not an absolute path",),
    ),
    "a key instead of an identity file": (
        '[commcell]\nage_identity_files = ["AGE-SECRET-KEY-1QQ"]  # <-- here\n',
        ("is not an absolute path",),
    ),
    "bad throttle": (COPY + 'library = "fast"\nthrottle = "200 mb"  # <-- here\n', ("rate",)),
    "no throttle at all": (
        COPY + 'library = "fast"\nthrottle = "0MiB/s"  # <-- here\n',
        ("never copy",),
    ),
    "bad limit in a timetable": (
        COPY + 'library = "fast"\nthrottle = [\n'
        ' {from = "08:00", to = "18:00", limit = "50MiB/s"},\n'
        ' {from = "18:00", to = "20:00", limit = "fast"},  # <-- here\n]\n',
        ("throttle[2].limit", "rate"),
    ),
    "no limit in a timetable": (
        COPY + 'library = "fast"\nthrottle = [{from = "08:00", to = "18:00"}]  # <-- here\n',
        ('needs "limit"',),
    ),
    "bad time of day": (
        '[windows.w]\non = ["commcell"]\n'
        'do_not_run = [{days = "mon", from = "8:00", to = "25:00"}]  # <-- here\n',
        ("time of day",),
    ),
    "bad day": (
        '[windows.w]\non = ["commcell"]\n'
        'do_not_run = [{days = "mo-fr", from = "08:00", to = "18:00"}]  # <-- here\n',
        ("days of the week",),
    ),
    "a period of no length": (
        '[windows.w]\non = ["commcell"]\n'
        'do_not_run = [{from = "08:00", to = "08:00"}]  # <-- here\n',
        ("no time at all",),
    ),
    "periods that overlap": (
        '[windows.w]\non = ["commcell"]\ndo_not_run = [ # <-- here\n'
        ' {days = "mon", from = "08:00", to = "18:00"},\n'
        ' {days = "mon-fri", from = "17:00", to = "19:00"},\n]\n',
        ("periods 1 and 2 overlap",),
    ),
    "limits that overlap": (
        COPY + 'library = "fast"\nthrottle = [ # <-- here\n'
        ' {from = "08:00", to = "18:00", limit = "50MiB/s"},\n'
        ' {from = "17:00", to = "19:00", limit = "60MiB/s"},\n]\n',
        ("periods 1 and 2 overlap",),
    ),
    "a window that never opens": (
        '[windows.w]\non = ["commcell"]\n'
        'do_not_run = [{from = "00:00", to = "24:00"}]  # <-- here\n',
        ("never opens",),
    ),
    "dates in the wrong order": (
        '[windows.w]\non = ["commcell"]\n'
        'do_not_run = [{from = "08:00", to = "09:00", first_day = 2026-02-01, last_day = 2026-01-01}]  # <-- here\n',
        ("never comes",),
    ),
    "a window that closes nothing": (
        '[windows.w]  # <-- here\non = ["commcell"]\n',
        ('needs "do_not_run"',),
    ),
    "a window nowhere": (
        '[windows.w]  # <-- here\ndo_not_run = [{from = "08:00", to = "09:00"}]\n',
        ('needs "on"',),
    ),
    "unknown operation of a window": (
        '[windows.w]\non = ["commcell"]\noperations = ["auxcpy"]  # <-- here\n'
        'do_not_run = [{from = "08:00", to = "09:00"}]\n',
        ('"auxcopy"',),
    ),
    "the name of the service's own schedule": (
        '[schedules.system]  # <-- here\noperation = "auxcopy"\nwhen = "daily at 22:00"\n',
        ("service's own",),
    ),
    "schedule of nothing": ("[schedules.s]  # <-- here\n", ('needs "operation"',)),
    "schedule of an unknown operation": (
        '[schedules.s]\noperation = "copy"  # <-- here\n',
        ('"auxcopy"',),
    ),
    "schedule without a policy": (
        '[schedules.s]  # <-- here\noperation = "auxcopy"\nwhen = "daily at 22:00"\n',
        ('needs "policy"',),
    ),
    "schedule without a time": (
        '[schedules.s]  # <-- here\noperation = "auxcopy"\npolicy = "databases"\n',
        ('needs "when"',),
    ),
    "schedule at an impossible time": (
        '[schedules.s]\noperation = "auxcopy"\npolicy = "databases"\n'
        'when = "daily at 26:00"  # <-- here\n',
        ("26:00",),
    ),
    "schedule in unknown words": (
        '[schedules.s]\noperation = "auxcopy"\npolicy = "databases"\n'
        'when = "each night"  # <-- here\n',
        ("each night",),
    ),
    "wrong option of a schedule": (
        '[schedules.s]\noperation = "auxcopy"\npolicy = "databases"\nwhen = "daily at 22:00"\n'
        "options = {retries = -1}  # <-- here\n",
        ("retries", "out of range"),
    ),
    "unknown option of a schedule": (
        '[schedules.s]\noperation = "auxcopy"\npolicy = "databases"\nwhen = "daily at 22:00"\n'
        "[schedules.s.options]\nstream = 2  # <-- here\n",
        ('"streams"',),
    ),
    "alert of nothing": ('[alerts.a]  # <-- here\nto = "https://h/x"\n', ('needs "on"',)),
    "alert of an unknown event": (
        '[alerts.a]\non = ["falen-behind"]  # <-- here\nto = "https://h/x"\n',
        ('"fallen-behind"',),
    ),
    "alert to nobody": ('[alerts.a]  # <-- here\non = ["failed"]\n', ('needs "to"',)),
    "alert over plain http": (
        '[alerts.a]\non = ["failed"]\nto = "http://h/x"  # <-- here\n',
        ("open line",),
    ),
    "alert to a kind that is none": (
        '[alerts.a]\non = ["failed"]\nto = "ftp://h/x"  # <-- here\n',
        ("no destination",),
    ),
    "password over an open line": (
        '[alerts.a]\non = ["failed"]\nuser = "u"\npassword_file = "/p"\n'
        'to = "smtp://mail.example.org/?to=x@example.org"  # <-- here\n',
        ("starttls",),
    ),
    "user without a password": (
        '[alerts.a]\non = ["failed"]\nuser = "u"\n'
        'to = "smtps://mail.example.org/?to=x@example.org"  # <-- here\n',
        ("password_file",),
    ),
    "relative secret of an alert": (
        '[alerts.a]\non = ["failed"]\nto = "https://h/x"\ntoken_file = "t"  # <-- here\n',
        ("absolute",),
    ),
    "alert of a policy that is none": (
        '[alerts.a]\non = ["failed"]\nto = "https://h/x"\npolicies = ["databasess"]  # <-- here\n',
        ('"databases"',),
    ),
    "alert of no attempts": (
        '[alerts.a]\non = ["failed"]\nto = "https://h/x"\nattempts = 0  # <-- here\n',
        ("1 to 1000",),
    ),
    "history of no time": (
        '[policies.x]\nbehind_age = "soon"  # <-- here\n',
        ("soon",),
    ),
    "mail without a recipient": (
        '[alerts.a]\non = ["failed"]\nto = "smtp://localhost:25"  # <-- here\n',
        ("no recipient",),
    ),
    "password in an alert": (
        '[alerts.a]\non = ["failed"]\nto = "smtp://u:p@h/?to=x@example.org"  # <-- here\n',
        ("password",),
    ),
    "relative program of an alert": (
        '[alerts.a]\non = ["failed"]\nto = "exec:notify"  # <-- here\n',
        ("absolute path",),
    ),
    "name with a slash": ('[policies."a/b"]  # <-- here\n', ("cannot be a name",)),
    "name of dots": ('[libraries.".."]  # <-- here\nurl = "/m"\n', ("cannot be a name",)),
    "hidden name": (
        '[policies.databases.copies.".partial"]  # <-- here\nlibrary = "fast"\n',
        ("cannot be a name",),
    ),
    "empty name": ('[policies.""]  # <-- here\n', ("cannot be a name",)),
    "name with an escape": (
        '[policies."a\\u001b[2J"]  # <-- here\n',
        ("a\\x1b[2J", "cannot be a name"),
    ),
    "name with a newline": ('[clients."a\\nb"]  # <-- here\n', ("a\\x0ab",)),
    "name of the marker": ('[policies."auxtui-library.json"]  # <-- here\n', ("cannot be a name",)),
    "long name": (f"[clients.{'x' * 65}]  # <-- here\n", ("cannot be a name",)),
}
WRONG_AT_THE_TABLE = {"text for a table": 1, "no library": len(SOUND.splitlines()) + 1}
"""Cases whose line cannot be marked inside the text."""
