-- Columns that policies' expressions use. Any role may ask.
select distinct
    d.objid as policy,
    d.refobjid as relation,
    d.refobjsubid as "column"
from pg_catalog.pg_depend as d
where d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.deptype = 'n'
order by 1, 2, 3
