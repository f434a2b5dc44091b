-- Limits that differ from the design's; they change while the service runs. Each process has all rows in memory and reads
-- only the version, which triggers raise with every statement that changes a row.
CREATE TABLE IF NOT EXISTS limit_tenants (
  organisation_id bigint PRIMARY KEY,
  tier text NOT NULL CHECK (tier IN ('standard', 'enterprise', 'ci'))
);

CREATE TABLE IF NOT EXISTS limit_settings (
  scope text NOT NULL CHECK (scope IN ('tier', 'organisation')),
  -- The tier, or the organisation's id.
  name text NOT NULL,
  policy text NOT NULL CHECK (policy IN ('organisation', 'user', 'key', 'address')),
  "limit" integer NOT NULL CHECK ("limit" BETWEEN 1 AND 10000),
  mode text NOT NULL CHECK (mode IN ('enforce', 'shadow', 'off')),
  -- An operator's row says what an organisation may have, an administrator's what it wants of that.
  set_by text NOT NULL DEFAULT 'operator' CHECK (set_by IN ('operator', 'administrator')),
  changed_at timestamptz NOT NULL,
  CHECK (set_by = 'operator' OR (scope = 'organisation' AND mode = 'enforce')),
  PRIMARY KEY (scope, name, policy, set_by)
);

CREATE TABLE IF NOT EXISTS limit_settings_version (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version bigint NOT NULL
);
INSERT INTO limit_settings_version (version) VALUES (1) ON CONFLICT DO NOTHING;

-- Changes wait for each other here, so versions are in the order of commits.
CREATE OR REPLACE FUNCTION limit_settings_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE limit_settings_version SET version = version + 1;
  RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER limit_tenants_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON limit_tenants
  FOR EACH STATEMENT EXECUTE FUNCTION limit_settings_changed();
CREATE OR REPLACE TRIGGER limit_settings_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON limit_settings
  FOR EACH STATEMENT EXECUTE FUNCTION limit_settings_changed();
