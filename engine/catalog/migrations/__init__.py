"""Scripts that bring an older catalog to the present schema; run by `engine.catalog.upgrading`.

They run on SQLite and PostgreSQL alike: Alembic operations only, batches for changed tables,
nothing of `tables`, which speaks of today and not of the revision that a script was written for.
"""
