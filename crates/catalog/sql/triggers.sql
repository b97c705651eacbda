-- Triggers, without those that the server makes for constraints. Any role may ask.
select
    t.oid,
    t.tgrelid as relation,
    t.tgname as name,
    t.tgfoid as function,
    t.tgenabled as enabled
from pg_catalog.pg_trigger as t
where not t.tgisinternal
order by t.oid
