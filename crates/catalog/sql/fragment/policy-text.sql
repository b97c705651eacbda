-- A policy's expression, its constants blotted out where it encrypts, decrypts, signs or hashes: one of them may be a key.
-- The names of settings stay: they stand in double quotes while the constants go.
case
    when {} ~* '(crypt|hmac|digest|dearmor|armor)[a-z0-9_]*"?[[:space:]]*[(]'
        then pg_catalog.regexp_replace(
            pg_catalog.regexp_replace(
                pg_catalog.regexp_replace({}, 'current_setting[(]''([^'']*)''', 'current_setting("' || pg_catalog.chr(92) || '1"', 'g'),
                '''([^'']|'''')*''', '''...''', 'g'
            ),
            'current_setting[(]"([^"]*)"', 'current_setting(''' || pg_catalog.chr(92) || '1''', 'g'
        )
    else coalesce({}, '')
end
