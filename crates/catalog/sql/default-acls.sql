-- ALTER DEFAULT PRIVILEGES. Any role may ask. A row without a schema replaces the built-in default of its creator and kind
-- (so it repeats what the default gave); a row with a schema adds to it. A row that takes everything away (a REVOKE from
-- PUBLIC that leaves nothing) has nobody to name and does not appear.
select
    d.defaclrole as creator,
    d.defaclnamespace as schema,
    d.defaclobjtype as object_type,
    item.grantee,
    pg_catalog.string_agg(
        item.privilege_type || case when item.is_grantable then '*' else '' end, ',' order by item.privilege_type
    ) as privileges
from pg_catalog.pg_default_acl as d
cross join lateral pg_catalog.aclexplode(d.defaclacl) as item
group by d.defaclrole, d.defaclnamespace, d.defaclobjtype, item.grantee
order by d.defaclrole, d.defaclnamespace, d.defaclobjtype, item.grantee
