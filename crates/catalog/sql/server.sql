-- Who the server is. Any role may ask; the system identifier is empty where pg_control_system() was revoked.
select
    pg_catalog.current_setting('server_version_num') as server_version_num,
    pg_catalog.version() as version_text,
    case
        when pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')
            then (select control.system_identifier::text from pg_catalog.pg_control_system() as control)
        else ''
    end as system_identifier,
    pg_catalog.pg_is_in_recovery() as in_recovery,
    pg_catalog.to_char(pg_catalog.pg_postmaster_start_time() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as started_at,
    pg_catalog.to_char(pg_catalog.pg_conf_load_time() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as configuration_loaded_at,
    pg_catalog.to_char(pg_catalog.clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as server_time,
    coalesce(pg_catalog.host(pg_catalog.inet_server_addr()), '') as server_address,
    coalesce(pg_catalog.inet_server_port(), 0) as server_port,
    coalesce(pg_catalog.current_setting('cluster_name', true), '') as cluster_name
