-- Configuration in force. Any role may ask; settings for superusers only are left out for a role that is neither superuser
-- nor member of pg_read_all_settings. `value` is the value in this session, whose own timeouts, time zone and search_path
-- differ from other sessions'; `reset_value` is what a new session of this role gets. The server does not list settings of
-- an application's own (`app.tenant`): those are in `role-settings` and `file-settings`.
select
    pg_catalog.lower(s.name collate "C") as name,
    case when secret.withheld then '' else s.value end as value,
    secret.withheld,
    shaped.shape,
    named.key_kind,
    s.unit,
    s.context,
    s.source,
    s.source_file,
    s.source_line,
    case when secret.withheld then '' else s.boot_value end as boot_value,
    case when secret.withheld then '' else s.reset_value end as reset_value,
    s.pending_restart
from (
    select
        p.name,
        coalesce(p.setting, '') as value,
        coalesce(p.unit, '') as unit,
        coalesce(p.context, '') as context,
        coalesce(p.source, '') as source,
        coalesce(p.sourcefile, '') as source_file,
        coalesce(p.sourceline, 0) as source_line,
        coalesce(p.boot_val, '') as boot_value,
        coalesce(p.reset_val, '') as reset_value,
        coalesce(p.pending_restart, false) as pending_restart
    from pg_catalog.pg_settings as p
) as s
cross join lateral (
    --@ include setting-name s.name
) as named
cross join lateral (
    --@ include shape s.value
) as shaped
cross join lateral (
    --@ include shape s.boot_value
) as boot_shaped
cross join lateral (
    --@ include shape s.reset_value
) as reset_shaped
cross join lateral (
    select (
        --@ include withheld shaped
    ) or (
        --@ include withheld boot_shaped
    ) or (
        --@ include withheld reset_shaped
    ) as withheld
) as secret
order by 1
