-- Functions, procedures and aggregates, without the server's own. Any role may ask. Bodies are not read, and of the SET
-- clauses only search_path and row_security with their values.
select
    p.oid,
    p.pronamespace as schema,
    n.nspname as schema_name,
    p.proname as name,
    coalesce(pg_catalog.pg_get_function_identity_arguments(p.oid), '') as arguments,
    p.prokind as kind,
    p.proowner as owner,
    l.lanname as language,
    p.prosecdef as security_definer,
    coalesce(
        (
            select
                pg_catalog.json_agg(
                    pg_catalog.json_build_array(
                        pg_catalog.split_part(item.assignment, '=', 1),
                        case
                            when pg_catalog.split_part(item.assignment, '=', 1) in ('search_path', 'row_security')
                                then pg_catalog.substr(item.assignment, pg_catalog.strpos(item.assignment, '=') + 1)
                            else ''
                        end
                    )
                    order by item.ordinal
                )::text
            from pg_catalog.unnest(p.proconfig) with ordinality as item (assignment, ordinal)
        ),
        '[]'
    ) as settings,
    p.provolatile as volatility,
    p.proleakproof as leakproof,
    coalesce(made.refobjid, 0::pg_catalog.oid) as extension
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
join pg_catalog.pg_language as l on l.oid = p.prolang
left join pg_catalog.pg_depend as made
    on made.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
    and made.objid = p.oid
    and made.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
    and made.deptype = 'e'
where n.nspname !~ '^pg_(toast_)?temp_'
    and not (
        --@ include system-object p
    )
order by p.oid
