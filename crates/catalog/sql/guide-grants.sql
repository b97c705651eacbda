-- One of the guide's four evidence queries, kept for the auditor who looks for it. It shows only grants of or by roles that
-- the role which looks is a member of, and never PUBLIC, columns, memberships or ownership: `acls` is what replaces it.
/* The guide lists information_schema.role_table_grants, the system schemas are left out here */
select
    coalesce(g.grantor::text, '') as grantor,
    coalesce(g.grantee::text, '') as grantee,
    coalesce(g.table_schema::text, '') as table_schema,
    coalesce(g.table_name::text, '') as table_name,
    coalesce(g.privilege_type::text, '') as privilege_type,
    coalesce(g.is_grantable::text, '') as is_grantable
from information_schema.role_table_grants as g
where g.table_schema not in ('pg_catalog', 'information_schema')
order by 3, 4, 2, 1, 5
