-- A small SaaS, set up the way it happens: the application owns its tables, the worker is a superuser "for now", and the
-- analyst got what the analyst asked for.
set password_encryption = 'md5';
create role shop_app login password 'demo-only';
set password_encryption = 'scram-sha-256';
create role shop_worker login superuser password 'demo-only';
create role shop_support login password 'demo-only' bypassrls;
create role deploy nologin superuser;
create role release_bot login password 'demo-only' in role deploy;
create role etl login password 'demo-only';
grant pg_execute_server_program to etl;
alter role shop_app set app.encryption_key = 'c0ffee00c0ffee00c0ffee00c0ffee00';
create database shop owner shop_app;
