-- Event triggers. Any role may ask.
select
    e.oid,
    e.evtname as name,
    e.evtevent as event,
    e.evtowner as owner,
    e.evtfoid as function,
    e.evtenabled as enabled
from pg_catalog.pg_event_trigger as e
order by e.oid
