-- Tables, partitioned tables, views, materialized views, foreign tables and sequences, without the server's own and without
-- temporary ones. Any role may ask.
select
    c.oid,
    c.relnamespace as schema,
    n.nspname as schema_name,
    c.relname as name,
    c.relkind as kind,
    c.relowner as owner,
    c.relpersistence as persistence,
    c.relrowsecurity as row_security,
    c.relforcerowsecurity as force_row_security,
    c.relispartition as is_partition,
    coalesce(pg_catalog.to_json(c.reloptions)::text, '[]') as options,
    c.reltuples as estimated_rows, --@ >=14
    case when c.reltuples = 0 and c.relpages = 0 then -1 else c.reltuples end as estimated_rows, --@ <14
    coalesce(made.refobjid, 0::pg_catalog.oid) as extension
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join pg_catalog.pg_depend as made
    on made.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and made.objid = c.oid
    and made.objsubid = 0
    and made.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
    and made.deptype = 'e'
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    and n.nspname !~ '^pg_(toast_)?temp_'
    and not (
        --@ include system-object c
    )
order by c.oid
