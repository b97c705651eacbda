-- The functions of schema pgattest: what `pgattest grants` made for a role that may see little, and whatever else stands there.
-- Any role may ask. Bodies are not read: their digest tells whether they are the ones that pgattest prints. Roles are given by
-- object identifier, 0 is PUBLIC; the owner of a function or schema is not listed among those who may use it.
select
    p.oid,
    p.proname as name,
    p.pronargs as arguments,
    p.prokind as kind,
    l.lanname as language,
    owner.rolsuper as owner_is_superuser,
    p.prosecdef as security_definer,
    coalesce(
        (
            select
                pg_catalog.json_agg(
                    pg_catalog.json_build_array(
                        pg_catalog.split_part(item.assignment, '=', 1),
                        case
                            when pg_catalog.split_part(item.assignment, '=', 1) = 'search_path'
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
    coalesce(
        (
            select
                pg_catalog.json_agg(
                    pg_catalog.json_build_array(
                        coalesce(item.name, ''), pg_catalog.format_type(item.type, null), coalesce(item.mode::text, '')
                    )
                    order by item.ordinal
                )::text
            from rows from (
                pg_catalog.unnest(p.proargnames), pg_catalog.unnest(p.proallargtypes), pg_catalog.unnest(p.proargmodes)
            ) with ordinality as item (name, type, mode, ordinal)
        ),
        '[]'
    ) as columns,
    pg_catalog.encode(
        pg_catalog.sha256(pg_catalog.convert_to(p.prosrc, pg_catalog.getdatabaseencoding())), 'hex'
    ) as body_sha256,
    pg_catalog.has_schema_privilege(n.oid, 'USAGE') and pg_catalog.has_function_privilege(p.oid, 'EXECUTE') as may_execute,
    coalesce(
        (
            select pg_catalog.json_agg(distinct item.grantee::pg_catalog.int8)::text
            from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) as item
            where item.grantee <> p.proowner
        ),
        '[]'
    ) as executable_by,
    schema_owner.rolsuper as schema_owner_is_superuser,
    coalesce(
        (
            select pg_catalog.json_agg(distinct item.grantee::pg_catalog.int8)::text
            from pg_catalog.aclexplode(n.nspacl) as item
            left join pg_catalog.pg_roles as grantee on grantee.oid = item.grantee
            where item.privilege_type = 'CREATE' and item.grantee <> n.nspowner and not coalesce(grantee.rolsuper, false)
        ),
        '[]'
    ) as schema_creators
from pg_catalog.pg_proc as p
join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
join pg_catalog.pg_language as l on l.oid = p.prolang
join pg_catalog.pg_roles as owner on owner.oid = p.proowner
join pg_catalog.pg_roles as schema_owner on schema_owner.oid = n.nspowner
where n.nspname = 'pgattest'
order by p.proname, p.oid
