-- Publications. Any role may ask.
select
    p.oid,
    p.pubname as name,
    p.pubowner as owner,
    p.puballtables as all_tables
from pg_catalog.pg_publication as p
order by p.oid
