-- A policy's expression, its constants blotted out where it encrypts, decrypts, signs or hashes: one of them may be a key.
case
    when {} ~* '(crypt|hmac|digest|dearmor|armor)[a-z0-9_]*"?[[:space:]]*[(]'
        then pg_catalog.regexp_replace({}, '(?<!current_setting[(])''([^'']|'''')*''', '''...''', 'g')
    else coalesce({}, '')
end
