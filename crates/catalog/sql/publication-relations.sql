-- Tables named in publications, and (15 and later) the tables of schemas named in them. Any role may ask. Publications FOR
-- ALL TABLES name none. A table that is published for its schema is published whole.
select
    named.publication,
    named.relation,
    pg_catalog.bool_and(named.has_row_filter) as has_row_filter,
    pg_catalog.bool_and(named.has_column_list) as has_column_list
from (
    select
        r.prpubid as publication,
        r.prrelid as relation,
        false as has_row_filter, --@ <15
        false as has_column_list --@ <15
        r.prqual is not null as has_row_filter, --@ >=15
        r.prattrs is not null as has_column_list --@ >=15
    from pg_catalog.pg_publication_rel as r
    union all --@ >=15
    select n.pnpubid, c.oid, false, false --@ >=15
    from pg_catalog.pg_publication_namespace as n --@ >=15
    join pg_catalog.pg_class as c on c.relnamespace = n.pnnspid and c.relkind in ('r', 'p') and c.relpersistence = 'p' --@ >=15
) as named
group by named.publication, named.relation
order by named.publication, named.relation
