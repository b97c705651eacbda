-- Subscriptions of every database, without their connection strings. Any role may ask; before 14 the object identifier is
-- for superusers and roles that were granted the column.
select
    s.oid,
    s.subdbid as database,
    s.subname as name,
    s.subowner as owner,
    s.subenabled as enabled
from pg_catalog.pg_subscription as s
order by s.subdbid, s.subname
