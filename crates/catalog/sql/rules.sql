-- Rewrite rules, without those that make views and without the server's own. Any role may ask.
select
    r.oid,
    r.ev_class as relation,
    r.rulename as name,
    r.ev_type as event,
    r.is_instead as instead,
    r.ev_enabled as enabled
from pg_catalog.pg_rewrite as r
where r.oid >= 16384
    and not (r.rulename = '_RETURN' and r.ev_type = '1')
order by r.oid
