-- Who is a member of what. Any role may ask. Before 16 the member's INHERIT attribute decides for all its memberships.
select
    m.roleid as role,
    m.member,
    coalesce(m.grantor, 0::pg_catalog.oid) as grantor,
    m.admin_option,
    m.inherit_option, --@ >=16
    m.set_option --@ >=16
    coalesce(r.rolinherit, true) as inherit_option, --@ <16
    true as set_option --@ <16
from pg_catalog.pg_auth_members as m
left join pg_catalog.pg_roles as r on r.oid = m.member --@ <16
order by m.roleid, m.member, m.grantor
