-- Replication slots. Any role may ask.
select
    s.slot_name as name,
    coalesce(s.plugin, '') as plugin,
    coalesce(s.slot_type, '') as kind,
    coalesce(s.datoid, 0::pg_catalog.oid) as database,
    s.active,
    s.temporary
from pg_catalog.pg_replication_slots as s
order by s.slot_name
