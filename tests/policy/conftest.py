"""Property tests of the rules: the same examples in every run; other ones in `make soak`."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "rules",
    deadline=None,
    derandomize=not os.environ.get("AUXTUI_SOAK"),
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("rules")
