-- Row-level security policies. Any role may ask. The expressions are deparsed by the server, every name qualified that is
-- not in pg_catalog.
select
    p.oid,
    p.polrelid as relation,
    p.polname as name,
    p.polcmd as command,
    p.polpermissive as permissive,
    coalesce(pg_catalog.to_json(p.polroles::pg_catalog.int8[])::text, '[]') as roles,
    p.polqual is not null as has_using,
    --@ include policy-text written.using_text
    as using_expression,
    p.polwithcheck is not null as has_check,
    --@ include policy-text written.check_text
    as check_expression
from pg_catalog.pg_policy as p
cross join lateral (
    select
        pg_catalog.pg_get_expr(p.polqual, p.polrelid) as using_text,
        pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as check_text
    offset 0
) as written
order by p.oid
