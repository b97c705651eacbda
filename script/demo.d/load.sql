-- The application, for pgbench: one request of one tenant. It fails, rather than going on, when it does not see its own rows.
\set n random(0, 19)
select id as tenant from public.organizations order by id offset :n limit 1 \gset
begin;
select set_config('app.current_tenant', :tenant, true);
select 1 / least(count(*), 1) from public.users;
select 1 / least(count(*), 1) from crm.contacts;
insert into public.comments (tenant_id, body) values (:tenant::uuid, 'from the load');
update public.projects set title = title where tenant_id = :tenant::uuid;
insert into public.events (tenant_id, at, what) values (:tenant::uuid, '2026-06-01', 'load');
select sum(cents) from public.invoice_totals where tenant_id = :tenant::uuid;
delete from public.comments where body = 'from the load' and tenant_id = :tenant::uuid;
commit;
