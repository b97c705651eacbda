-- Every schema but the temporary ones. Any role may ask.
select
    n.oid,
    n.nspname as name,
    n.nspowner as owner,
    n.oid < 16384 and n.nspname in ('pg_catalog', 'information_schema', 'pg_toast') as is_system,
    coalesce(made.refobjid, 0::pg_catalog.oid) as extension
from pg_catalog.pg_namespace as n
left join pg_catalog.pg_depend as made
    on made.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
    and made.objid = n.oid
    and made.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
    and made.deptype = 'e'
where n.nspname !~ '^pg_(toast_)?temp_'
order by n.oid
