-- Sequences that columns take their numbers from: those owned by a column (OWNED BY, serial, identity) and those that a
-- column's default names. Any role may ask.
select
    used.sequence,
    used.relation,
    used."column",
    used.relationship
from (
    select
        d.objid as sequence,
        d.refobjid as relation,
        d.refobjsubid as "column",
        case when d.deptype = 'i' then 'identity' else 'owned' end as relationship
    from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.objsubid = 0
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.refobjsubid > 0
        and d.deptype in ('a', 'i')
    union
    select d.refobjid, a.adrelid, a.adnum, 'default'
    from pg_catalog.pg_attrdef as a
    join pg_catalog.pg_depend as d
        on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
        and d.objid = a.oid
        and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
) as used
join pg_catalog.pg_class as c on c.oid = used.sequence
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relkind = 'S'
    and n.nspname !~ '^pg_(toast_)?temp_'
    and not (
        --@ include system-object c
    )
order by used.sequence, used.relation, used."column", used.relationship
