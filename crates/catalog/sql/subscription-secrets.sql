-- Whether the connection strings of subscriptions hold a password; the strings stay in the server. For superusers, and roles
-- that were granted the column.
select
    s.oid,
    coalesce(
        s.subconninfo ~* '(^|[[:space:]?&])(ssl)?password[[:space:]]*=[[:space:]]*''?[^[:space:]''&]'
        or s.subconninfo ~* '://[^[:space:]/@:]*:[^[:space:]@/]+@',
        false
    ) as holds_password,
    true as password_required --@ <16
    s.subpasswordrequired as password_required --@ >=16
from pg_catalog.pg_subscription as s
order by s.oid
