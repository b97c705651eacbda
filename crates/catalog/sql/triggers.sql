-- Triggers. Any role may ask. Of those that the server makes itself, for constraints and on partitions, only the ones that do
-- not fire in an ordinary session.
select
    t.oid,
    t.tgrelid as relation,
    t.tgname as name,
    t.tgfoid as function,
    t.tgenabled as enabled,
    t.tgconstraint <> 0 as is_constraint,
    t.tgisinternal as is_internal
from pg_catalog.pg_trigger as t
where not t.tgisinternal or t.tgenabled in ('D', 'R')
order by t.oid
