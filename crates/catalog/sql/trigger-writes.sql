-- Tables that trigger functions insert into or update, as far as their text tells; 0 when it does not: another language than SQL
-- and PL/pgSQL, or a statement put together when it runs. Any role may ask. The text is searched inside the server and stays
-- there. A name without a schema is looked for in the schemas of the trigger's table and of its function, and in public.
with fired as (
    select distinct
        t.tgfoid as function,
        c.relnamespace as of_table,
        p.pronamespace as of_function,
        l.lanname as language,
        p.prosrc as body
    from pg_catalog.pg_trigger as t
    join pg_catalog.pg_class as c on c.oid = t.tgrelid
    join pg_catalog.pg_proc as p on p.oid = t.tgfoid
    join pg_catalog.pg_language as l on l.oid = p.prolang
    where not t.tgisinternal
        and p.oid >= 16384
), named as (
    select
        f.function,
        f.of_table,
        f.of_function,
        pg_catalog.regexp_matches(
            pg_catalog.regexp_replace(f.body, '-{2}[^' || pg_catalog.chr(10) || ']*', '', 'g'),
            '[[:<:]](?:insert[[:space:]]+into|update)[[:space:]]+(?:only[[:space:]]+)?'
                || '(?:("(?:[^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)[[:space:]]*[.][[:space:]]*)?'
                || '("(?:[^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)',
            'gi'
        ) as parts
    from fired as f
    where f.language in ('plpgsql', 'sql')
), read as (
    select
        named.function,
        named.of_table,
        named.of_function,
        case
            when named.parts[1] like '"%' then pg_catalog.replace(pg_catalog.substr(named.parts[1], 2, pg_catalog.length(named.parts[1]) - 2), '""', '"')
            else pg_catalog.lower(named.parts[1])
        end as schema_name,
        case
            when named.parts[2] like '"%' then pg_catalog.replace(pg_catalog.substr(named.parts[2], 2, pg_catalog.length(named.parts[2]) - 2), '""', '"')
            else pg_catalog.lower(named.parts[2])
        end as name
    from named
)
select distinct found.function, found.writes
from (
    select r.function, c.oid as writes
    from read as r
    join pg_catalog.pg_class as c on c.relname = r.name and c.relkind in ('r', 'p', 'f', 'v')
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = r.schema_name
        or (r.schema_name is null and (n.oid in (r.of_table, r.of_function) or n.nspname = 'public'))
    union all
    select f.function, 0::pg_catalog.oid
    from fired as f
    where f.language not in ('plpgsql', 'sql')
        or f.body ~* '[[:<:]]execute[[:>:]]'
) as found
order by found.function, found.writes
