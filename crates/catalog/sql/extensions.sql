-- Extensions installed in the database. Any role may ask.
select
    e.oid,
    e.extname as name,
    e.extversion as version,
    e.extnamespace as schema,
    e.extowner as owner
from pg_catalog.pg_extension as e
order by e.oid
