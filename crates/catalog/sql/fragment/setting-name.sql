-- What a setting's name says, and how much of its value may leave the server:
--   show    a setting of the server or of an extension whose settings are known to hold no secret
--   tenant  a setting of the application's own that names a tenant, an account or a user
--   custom  any other setting of the application's own
--   hide    a setting that holds a command or a connection string, or whose name speaks of a secret
select
    case
        when says.secret or says.holds_command then 'hide'
        when says.known then 'show'
        when says.tenant then 'tenant'
        else 'custom'
    end as disclosure,
    case when says.secret then 'secret' else 'plain' end as key_kind
from (
    select
        (
            it.name ~ '(passw|passphrase|passcode|pwd|secret|token|credential|bearer|pepper|hmac)'
            or it.name ~ '[.]' and (
                it.name ~ '[._-](jwt|salt|kek|dek|cert|private|pw|(db|pg|usr|user|admin|root|smtp|mail|ldap|redis|my)?pass)($|[._-])'
                or it.name ~ '([._-]|api|app|master|encrypt|encryption|crypt|crypto|signing|sign|access|private|data|aes|rsa|ssh)keys?($|[._-]|id$)'
            )
        )
        -- Those that say where a key is or how a password is stored, and hold none.
        and it.name not in (
            'password_encryption', 'md5_password_warnings', 'ssl_passphrase_command',
            'ssl_passphrase_command_supports_reload', 'credcheck.password_min_length', 'rds.accepted_password_auth_method',
            'rds.restrict_password_commands', 'azure.accepted_password_auth_method'
        ) as secret,
        it.name ~ '(_command$|conninfo|conn_info|connstr|connection_string|(^|[._-])(dsn|url|uri)($|[._-]))' as holds_command,
        pg_catalog.strpos(it.name, '.') = 0
        or pg_catalog.split_part(it.name, '.', 1) in (
            'pgaudit', 'pg_stat_statements', 'auto_explain', 'plpgsql', 'plperl', 'pltcl', 'cron', 'pg_hint_plan',
            'pg_prewarm', 'pg_trgm', 'auth_delay', 'sepgsql', 'basic_archive', 'passwordcheck', 'credcheck', 'set_user',
            'pg_stat_kcache', 'pg_wait_sampling', 'pg_partman_bgw', 'timescaledb', 'citus', 'postgis', 'pgcrypto',
            'rds', 'aurora', 'azure', 'cloudsql', 'alloydb'
        ) as known,
        it.name ~ '(^|[._-])(tenant|organi[sz]ation|org|account|customer|company|workspace|user|member|role|client|team|shop|merchant|project)_?(id|name|uuid|slug|no|number|role)?$'
            as tenant
    from (select pg_catalog.lower({} collate "C") as name offset 0) as it
    offset 0
) as says
offset 0
