-- Copies tenant s000000 with its keys and its client: slugs s{from} to s{to}. What requests would make one by
-- one in an hour is there in seconds, and nothing has gathered statistics of it yet.
SET LOCAL statement_timeout = 0;
ALTER TABLE tenants SET (autovacuum_enabled = off);
ALTER TABLE signing_keys NO FORCE ROW LEVEL SECURITY;
ALTER TABLE tag_keys NO FORCE ROW LEVEL SECURITY;
ALTER TABLE clients NO FORCE ROW LEVEL SECURITY;
CREATE TEMP TABLE made ON COMMIT DROP AS
SELECT gen_random_uuid() AS id, 's' || lpad(n::text, 6, '0') AS slug
FROM generate_series({from}, {to}) AS n;
INSERT INTO tenants
SELECT copy.* FROM tenants AS one, made, LATERAL jsonb_populate_record(one, jsonb_build_object(
    'id', made.id, 'slug', made.slug, 'name', made.slug, 'search_name', made.slug,
    -- Nothing is due for them: what runs in the background would be measured too.
    'keys_due_at', NULL, 'audit_sweep_at', 4000000000000000000)) AS copy
WHERE one.slug = 's000000';
INSERT INTO signing_keys
SELECT copy.* FROM signing_keys AS one, made,
    LATERAL jsonb_populate_record(one, jsonb_build_object('tenant_id', made.id)) AS copy
WHERE one.tenant_id = (SELECT id FROM tenants WHERE slug = 's000000');
INSERT INTO tag_keys
SELECT copy.* FROM tag_keys AS one, made,
    LATERAL jsonb_populate_record(one, jsonb_build_object('tenant_id', made.id)) AS copy
WHERE one.tenant_id = (SELECT id FROM tenants WHERE slug = 's000000');
INSERT INTO clients
SELECT copy.* FROM clients AS one, made,
    LATERAL jsonb_populate_record(one, jsonb_build_object('tenant_id', made.id)) AS copy
WHERE one.tenant_id = (SELECT id FROM tenants WHERE slug = 's000000');
ALTER TABLE signing_keys FORCE ROW LEVEL SECURITY;
ALTER TABLE tag_keys FORCE ROW LEVEL SECURITY;
ALTER TABLE clients FORCE ROW LEVEL SECURITY;
