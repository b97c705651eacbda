-- The configuration files as they are now, loaded or not. For superusers, and roles that were granted the view and the
-- function behind it.
select
    s.file,
    s.line,
    s.name,
    case when secret.withheld then '' else s.value end as value,
    secret.withheld,
    shaped.shape,
    named.key_kind,
    s.applied,
    --@ include error-text s.error
    as error
from (
    select
        coalesce(f.sourcefile, '') as file,
        coalesce(f.sourceline, 0) as line,
        coalesce(f.seqno, 0) as ordinal,
        coalesce(f.name, '') as name,
        coalesce(f.setting, '') as value,
        coalesce(f.applied, false) as applied,
        coalesce(f.error, '') as error
    from pg_catalog.pg_file_settings as f
) as s
cross join lateral (
    --@ include setting-name s.name
) as named
cross join lateral (
    --@ include shape s.value
) as shaped
cross join lateral (
    select (
        --@ include withheld shaped
    ) or (
        -- Not a setting at all, so nothing is known about it but that somebody wrote it there.
        s.error like 'unrecognized%' and shaped.shape not in ('empty', 'boolean')
    ) as withheld
) as secret
order by s.ordinal, s.file, s.line
