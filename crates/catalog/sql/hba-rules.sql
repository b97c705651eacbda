-- pg_hba.conf as the server parses the file now (it may not be loaded yet). For superusers, and roles that were granted the
-- view and the function behind it. Option values outside a list of harmless ones stay in the server.
select
    case when h.error is null then pg_catalog.row_number() over (partition by h.error is null order by h.line_number) else 0 end as number, --@ <16
    '' as file, --@ <16
    coalesce(h.rule_number, 0) as number, --@ >=16
    coalesce(h.file_name, '') as file, --@ >=16
    coalesce(h.line_number, 0) as line,
    coalesce(h.type, '') as connection_type,
    coalesce(pg_catalog.to_json(h.database)::text, '[]') as databases,
    coalesce(pg_catalog.to_json(h.user_name)::text, '[]') as users,
    coalesce(h.address, '') as address,
    coalesce(h.netmask, '') as netmask,
    coalesce(h.auth_method, '') as method,
    coalesce(options.list, '[]') as options,
    --@ include error-text h.error
    as error
from pg_catalog.pg_hba_file_rules as h
cross join lateral (
    select
        pg_catalog.json_agg(
            pg_catalog.json_build_object(
                'name', option.name,
                'value', case when option.harmless then option.value else '' end,
                'withheld', not option.harmless and option.value <> ''
            )
            order by option.ordinal
        )::text as list
    from (
        select
            item.ordinal,
            pg_catalog.split_part(item.assignment, '=', 1) as name,
            case
                when pg_catalog.strpos(item.assignment, '=') > 0
                    then pg_catalog.substr(item.assignment, pg_catalog.strpos(item.assignment, '=') + 1)
                else ''
            end as value,
            pg_catalog.split_part(item.assignment, '=', 1) in (
                'clientcert', 'clientname', 'map', 'ldaptls', 'ldapscheme', 'ldapserver', 'include_realm', 'krb_realm',
                'pamservice', 'radiusservers', 'compat_realm', 'upn_username', 'issuer', 'scope', 'validator',
                'delegate_ident_mapping'
            ) as harmless
        from pg_catalog.unnest(h.options) with ordinality as item (assignment, ordinal)
    ) as option
) as options
order by h.line_number --@ <16
order by h.rule_number nulls last, h.file_name, h.line_number --@ >=16
