-- Every tablespace. Any role may ask.
select
    t.oid,
    t.spcname as name,
    t.spcowner as owner,
    coalesce(pg_catalog.pg_tablespace_location(t.oid), '') as location
from pg_catalog.pg_tablespace as t
order by t.oid
