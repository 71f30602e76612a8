"""How Hypothesis runs: without deadlines, as a busy machine is no failure; CI has Hypothesis' own profile for it."""

import os

from hypothesis import settings

if not os.environ.get("CI"):
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
