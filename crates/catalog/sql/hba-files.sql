-- When pg_hba.conf, the files it includes (16 and later), and pg_ident.conf were last changed, and when the server last loaded them. For
-- superusers, and roles that were granted the function (and, from 16, the view that names the included files).
select
    f.kind,
    f.file,
    pg_catalog.to_char(s.modification at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as modified_at,
    pg_catalog.to_char(pg_catalog.pg_conf_load_time() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as loaded_at,
    s.modification > pg_catalog.pg_conf_load_time() as changed_after_load
from (
    select 'hba' as kind, pg_catalog.current_setting('hba_file') as file
    union
    select 'ident', pg_catalog.current_setting('ident_file')
    union --@ >=16
    select 'hba', h.file_name from pg_catalog.pg_hba_file_rules as h where h.file_name is not null --@ >=16
) as f
cross join lateral pg_catalog.pg_stat_file(f.file, true) as s
where s.modification is not null
order by f.kind, f.file
