-- Functions that policies' expressions call, themselves or by an operator. Any role may ask. Of a function without arguments
-- whose body is nothing but a read of a setting, the body is told: the pattern admits the names of settings and types, and no
-- literal but the empty string.
select distinct
    called.policy,
    called.function,
    n.nspname as schema_name,
    p.proname as name,
    case
        when p.pronargs = 0
            and l.lanname = 'sql'
            and not exists (
                select from pg_catalog.unnest(p.proconfig) as item (assignment) where item.assignment !~ '^search_path='
            )
            and pg_catalog.length(source.body) < 400
            and source.body ~* ('^[[:space:]]*(?:select|return)[[:space:]]+(?:nullif|coalesce|true|false|null|uuid|integer|int|int4|int8'
                || '|bigint|smallint|text|character varying|varchar|cast|as[[:space:]]+[a-z_][a-z0-9_]*|pg_catalog[.]|''''|::|[(),]'
                || '|[[:space:]]|current_setting[[:space:]]*[(][[:space:]]*''[a-z_][a-z0-9_]*(?:[.][a-z_][a-z0-9_]*)+'')+'
                || pg_catalog.chr(59) || '?[[:space:]]*$')
            then source.body
        else ''
    end as setting_read,
    p.prosqlbody is not null as bound --@ >=14
    false as bound --@ <14
from (
    select d.objid as policy, d.refobjid as function
    from pg_catalog.pg_depend as d
    where d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
        and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    union all
    select d.objid, o.oprcode
    from pg_catalog.pg_depend as d
    join pg_catalog.pg_operator as o on o.oid = d.refobjid
    where d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass
        and d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
) as called
join pg_catalog.pg_proc as p on p.oid = called.function
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
join pg_catalog.pg_language as l on l.oid = p.prolang
cross join lateral (
    select p.prosrc as body --@ <14
    select coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc) as body --@ >=14
) as source
where p.oid >= 16384
order by called.policy, called.function
