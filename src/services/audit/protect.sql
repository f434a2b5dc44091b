-- Append-only protection of the log. First: the roles of the services may only insert and select. Second: triggers that
-- refuse every role, the owner too. A role that may drop triggers can still change rows; the hash chain and its
-- checkpoints outside the database detect that.
CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% of % is refused: the audit log is append-only', TG_OP, TG_TABLE_NAME
    USING ERRCODE = 'insufficient_privilege';
END $$;

-- Statement triggers of a parent do not fire for its partitions, so each table has its own. ALWAYS: also with
-- session_replication_role = replica.
CREATE OR REPLACE FUNCTION audit_protect(target regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM pg_trigger WHERE tgrelid = target AND tgname = 'audit_append_only') THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()', target);
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER audit_append_only', target);
END $$;

-- The append-only tables of this schema: the log, live and archived, its blocks, and the retirements.
CREATE OR REPLACE FUNCTION audit_tables() RETURNS SETOF regclass LANGUAGE sql STABLE AS $$
  WITH RECURSIVE grows AS (
    SELECT to_regclass(name)::oid AS oid
      FROM unnest(ARRAY['audit_logs', 'audit_archive', 'audit_blocks', 'audit_retired']) AS name
    UNION ALL
    SELECT inhrelid FROM pg_inherits JOIN grows ON inhparent = grows.oid
  )
  SELECT c.oid::regclass FROM grows JOIN pg_class c USING (oid) WHERE c.relkind IN ('r', 'p')
$$;

-- The rights of the two roles that services log in as. They own nothing, so they can neither drop nor alter a table, and
-- are members of nothing. A gateway appends to the log and reads its blocks; a sequencer reads the log and appends blocks.
-- Partitions are accessed through their parents, so a partition created later needs no grant.
CREATE OR REPLACE FUNCTION audit_grant(gateway name, sequencer name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  service name;
  found record;
BEGIN
  FOREACH service IN ARRAY ARRAY[gateway, sequencer] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = service) THEN
      EXECUTE format('CREATE ROLE %I NOLOGIN', service);
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), service);
  END LOOP;
  EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I', current_schema(), gateway);
  FOR found IN
    SELECT c.oid::regclass AS name,
           CASE WHEN c.relkind = 'v' THEN 'SELECT'
                WHEN c.relname = 'audit_logs' THEN 'SELECT, INSERT'
                WHEN c.oid IN (SELECT audit_tables()) THEN 'SELECT'
                ELSE 'SELECT, INSERT, UPDATE, DELETE' END AS may
      FROM pg_class c
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v')
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %I, %I', found.name, gateway, sequencer);
    EXECUTE format('GRANT %s ON %s TO %I', found.may, found.name, gateway);
  END LOOP;
  EXECUTE format('GRANT SELECT ON audit_logs TO %I', sequencer);
  EXECUTE format('GRANT SELECT, INSERT ON audit_blocks TO %I', sequencer);
END $$;
REVOKE EXECUTE ON FUNCTION audit_grant(name, name), audit_protect(regclass) FROM PUBLIC;

SELECT audit_protect(name) FROM audit_tables() AS name;
