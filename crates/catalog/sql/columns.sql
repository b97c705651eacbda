-- Columns of the relations of `relations`, but sequences. Any role may ask.
select
    a.attrelid as relation,
    a.attnum as number,
    a.attname as name,
    coalesce(pg_catalog.format_type(a.atttypid, a.atttypmod), '') as type_name,
    a.attnotnull as not_null,
    a.atthasdef or a.attidentity <> '' as has_default,
    a.attgenerated as generated
from pg_catalog.pg_attribute as a
join pg_catalog.pg_class as c on c.oid = a.attrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where a.attnum > 0
    and not a.attisdropped
    and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname !~ '^pg_(toast_)?temp_'
    and not (
        --@ include system-object c
    )
order by a.attrelid, a.attnum
