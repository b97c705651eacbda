-- Indexes on the relations of `relations`. Any role may ask. The leading column is 0 where the index leads with an expression.
select
    i.indexrelid as oid,
    i.indrelid as relation,
    x.relname as name,
    m.amname as method,
    i.indkey[0] as leading_column,
    i.indpred is not null as partial,
    i.indisvalid as valid
from pg_catalog.pg_index as i
join pg_catalog.pg_class as x on x.oid = i.indexrelid
join pg_catalog.pg_am as m on m.oid = x.relam
join pg_catalog.pg_class as c on c.oid = i.indrelid
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm')
    and n.nspname !~ '^pg_(toast_)?temp_'
    and not (
        --@ include system-object c
    )
order by i.indexrelid
