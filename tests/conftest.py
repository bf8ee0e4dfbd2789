from hypothesis import settings

# The same cases on every machine and day; a slow worker is no failure.
settings.register_profile("skipstone", derandomize=True, deadline=None)
settings.load_profile("skipstone")
