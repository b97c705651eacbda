-- Publications. Any role may ask.
select
    p.oid,
    p.pubname as name,
    p.pubowner as owner,
    p.puballtables as all_tables,
    '[]' as schemas --@ <15
    coalesce( --@ >=15
        ( --@ >=15
            select pg_catalog.json_agg(n.nspname order by n.nspname)::text --@ >=15
            from pg_catalog.pg_publication_namespace as whole --@ >=15
            join pg_catalog.pg_namespace as n on n.oid = whole.pnnspid --@ >=15
            where whole.pnpubid = p.oid --@ >=15
        ), --@ >=15
        '[]' --@ >=15
    ) as schemas --@ >=15
from pg_catalog.pg_publication as p
order by p.oid
