-- The audit log in the shape every design starts from: one table in order of arrival, and no index that knows the user
-- or the tenant. (event_id, occurred_at) makes a repeated insert of the same event harmless; (xid, id) is the order of
-- the chain: a transaction that commits later has a later xid, or was still running when the sequencer read the rows.
CREATE SEQUENCE IF NOT EXISTS audit_log_id AS bigint;

CREATE TABLE IF NOT EXISTS audit_logs (
  id bigint NOT NULL DEFAULT nextval('audit_log_id'),
  event_id uuid NOT NULL,
  version smallint NOT NULL DEFAULT 2,
  occurred_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  organisation_id bigint NOT NULL,
  -- The account whose authority was used; a key or an agent acts on its behalf.
  user_id bigint NOT NULL,
  session_hash text,
  key_id bigint,
  agent smallint,
  action text NOT NULL,
  resource_type text NOT NULL,
  resource_id text,
  outcome text NOT NULL,
  reason text,
  request_id text NOT NULL,
  -- The client's X-Request-Id, escaped; not unique.
  client_request_id text,
  region text NOT NULL,
  service text NOT NULL,
  -- Address and device, under the key of user_id.
  sealed bytea,
  -- JSON of what was before and after, where another's state changed.
  change text,
  PRIMARY KEY (event_id, occurred_at)
);
CREATE INDEX IF NOT EXISTS audit_logs_order ON audit_logs (xid, id);

-- One row per batch and shard: its records, chained to the previous block.
CREATE TABLE IF NOT EXISTS audit_blocks (
  shard smallint NOT NULL,
  number bigint NOT NULL,
  version smallint NOT NULL,
  first_sequence bigint NOT NULL,
  records integer NOT NULL,
  -- End of the batch, the same for all its shards.
  to_xid xid8 NOT NULL,
  to_id bigint NOT NULL,
  sequenced_at timestamptz NOT NULL,
  -- For each record: event id (16 bytes), occurred_at in Unix microseconds (8, big endian), leaf hash (32).
  members bytea NOT NULL,
  root bytea NOT NULL,
  previous bytea NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (shard, number)
);
-- Hashes do not compress; the attempt costs PostgreSQL a microsecond for each record.
ALTER TABLE audit_blocks ALTER COLUMN members SET STORAGE EXTERNAL;
CREATE INDEX IF NOT EXISTS audit_blocks_position ON audit_blocks (to_xid DESC, to_id DESC);

-- Encryption keys of personal fields, one per user and of its present epoch; not a part of the log, and erased on request.
CREATE TABLE IF NOT EXISTS audit_subject_keys (
  user_id bigint PRIMARY KEY,
  -- Under the platform's wrapping key; null from an erasure to the next event.
  wrapped bytea,
  created_at timestamptz NOT NULL,
  -- The last erasure.
  erased_at timestamptz,
  -- Raised by each erasure: what was sealed in an earlier epoch opens under no key.
  epoch integer NOT NULL DEFAULT 1
);

-- Erasures so far. An insert names the number its keys were read at, and writes nothing when it has changed.
CREATE TABLE IF NOT EXISTS audit_erasures (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  number bigint NOT NULL
);
INSERT INTO audit_erasures (number) VALUES (0) ON CONFLICT DO NOTHING;

-- Months archived to a file, each with the digest of its records; inserted in the transaction that drops the partition.
CREATE TABLE IF NOT EXISTS audit_retired (
  partition text NOT NULL,
  from_at timestamptz NOT NULL,
  to_at timestamptz NOT NULL,
  records bigint NOT NULL,
  -- SHA-256 over the leaf hashes in order of (xid, id).
  digest bytea NOT NULL,
  file text NOT NULL,
  reason text NOT NULL,
  retired_at timestamptz NOT NULL,
  PRIMARY KEY (partition, retired_at)
);

-- Every record, live or archived, for auditors and the verifier.
DO $$ BEGIN
  IF to_regclass('audit_everything') IS NULL THEN
    CREATE VIEW audit_everything AS SELECT * FROM audit_logs;
  END IF;
END $$;
