-- Copies the one user of tenant s000000: numbers 1 to {to}, the later half of them disabled.
SET LOCAL statement_timeout = 0;
ALTER TABLE users SET (autovacuum_enabled = off);
ALTER TABLE users NO FORCE ROW LEVEL SECURITY;
INSERT INTO users
SELECT copy.* FROM users AS one, generate_series(1, {to}) AS n,
    LATERAL jsonb_populate_record(one, jsonb_build_object(
        'id', gen_random_uuid(), 'external_id', n::text,
        'email', 'u' || lpad(n::text, 7, '0') || '@example.com',
        'name', 'User ' || lpad(n::text, 7, '0'), 'search_name', 'user ' || lpad(n::text, 7, '0'),
        'state', CASE WHEN n * 2 > {to} THEN 'disabled' ELSE 'active' END)) AS copy
WHERE one.tenant_id = (SELECT id FROM tenants WHERE slug = 's000000');
ALTER TABLE users FORCE ROW LEVEL SECURITY;
