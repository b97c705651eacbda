-- What views and materialized views read, one level deep. Any role may ask.
select distinct
    r.ev_class as view,
    d.refobjid as reads
from pg_catalog.pg_rewrite as r
join pg_catalog.pg_class as v on v.oid = r.ev_class
join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
    and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
join pg_catalog.pg_class as c on c.oid = d.refobjid
where r.ev_type = '1'
    and r.rulename = '_RETURN'
    and v.relkind in ('v', 'm')
    and v.oid >= 16384
    and v.relpersistence <> 't'
    and c.oid >= 16384
    and c.oid <> v.oid
    and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
order by 1, 2
