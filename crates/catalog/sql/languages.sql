-- Procedural languages and the built-in ones. Any role may ask.
select
    l.oid,
    l.lanname as name,
    l.lanpltrusted as trusted,
    l.lanowner as owner
from pg_catalog.pg_language as l
order by l.oid
