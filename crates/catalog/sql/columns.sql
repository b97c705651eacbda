-- Columns of the relations of `relations`, but sequences; for a domain, what it is a domain over in the end, without a length. Any
-- role may ask.
select
    a.attrelid as relation,
    a.attnum as number,
    a.attname as name,
    coalesce(pg_catalog.format_type(a.atttypid, a.atttypmod), '') as type_name,
    a.attnotnull as not_null,
    a.atthasdef or a.attidentity <> '' as has_default,
    a.attgenerated as generated,
    case
        when t.typtype = 'd' then coalesce((
            with recursive under (oid, kind, base) as (
                select t.oid, t.typtype, t.typbasetype
                union all
                select b.oid, b.typtype, b.typbasetype
                from under
                join pg_catalog.pg_type as b on b.oid = under.base
                where under.kind = 'd'
            )
            select pg_catalog.format_type(under.oid, null) from under where under.kind <> 'd'
        ), '')
        else ''
    end as domain_over
from pg_catalog.pg_attribute as a
join pg_catalog.pg_class as c on c.oid = a.attrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
left join pg_catalog.pg_type as t on t.oid = a.atttypid
where a.attnum > 0
    and not a.attisdropped
    and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname !~ '^pg_(toast_)?temp_'
    and not (
        --@ include system-object c
    )
order by a.attrelid, a.attnum
