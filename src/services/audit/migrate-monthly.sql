-- From one flat table to one partition per month, the indexes a design asks for (storage.ts), and an archive.
-- Run in one transaction: readers see the old table or the new one. It holds the table exclusively while it copies;
-- the row count and every value stay the same, so the chain stays valid.

-- Last, so that no temporary table of a caller stands for one of these in a function that runs with the owner's rights.
SELECT set_config('search_path', current_setting('search_path') || ', pg_temp', true);

DROP VIEW audit_everything;
ALTER TABLE audit_logs RENAME TO audit_logs_flat;
ALTER INDEX audit_logs_pkey RENAME TO audit_logs_flat_pkey;
ALTER INDEX audit_logs_order RENAME TO audit_logs_flat_order;

CREATE TABLE audit_logs (LIKE audit_logs_flat INCLUDING DEFAULTS) PARTITION BY RANGE (occurred_at);

-- Old months move from the live table to this one, where auditors can still query them.
CREATE TABLE audit_archive (LIKE audit_logs INCLUDING DEFAULTS) PARTITION BY RANGE (occurred_at);

CREATE VIEW audit_everything AS
  SELECT * FROM audit_logs UNION ALL SELECT * FROM audit_archive;

-- Creates the partitions from `first` to `last` in the live table, unless archived. Months are UTC. Runs with the rights
-- of the owner, because services may call it but not create tables.
CREATE FUNCTION audit_ensure_months(first timestamptz, last timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  month timestamp := date_trunc('month', first AT TIME ZONE 'UTC');
  partition text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('audit_ensure_months'));
  WHILE month <= last AT TIME ZONE 'UTC' LOOP
    partition := 'audit_logs_' || to_char(month, 'YYYY_MM');
    IF to_regclass(partition) IS NULL THEN
      EXECUTE format('CREATE TABLE %I PARTITION OF audit_logs FOR VALUES FROM (%L) TO (%L)', partition,
        month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
      PERFORM audit_protect(partition::regclass);
      made := made + 1;
    END IF;
    month := month + interval '1 month';
  END LOOP;
  RETURN made;
END $$;

-- Moves every live month that ended at or before `cutoff` to the archive.
CREATE FUNCTION audit_archive_before(cutoff timestamptz) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
  partition text;
  month timestamp;
  moved integer := 0;
BEGIN
  FOR partition IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'audit_logs'::regclass ORDER BY c.relname
  LOOP
    month := to_timestamp(right(partition, 7) || ' +00', 'YYYY_MM TZH') AT TIME ZONE 'UTC';
    CONTINUE WHEN (month + interval '1 month') AT TIME ZONE 'UTC' > cutoff;
    EXECUTE format('ALTER TABLE audit_logs DETACH PARTITION %I', partition);
    EXECUTE format('ALTER TABLE audit_archive ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition,
      month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
    moved := moved + 1;
  END LOOP;
  RETURN moved;
END $$;

SELECT audit_ensure_months(min(occurred_at), max(occurred_at)) FROM audit_logs_flat;

INSERT INTO audit_logs SELECT * FROM audit_logs_flat ORDER BY id;

-- After the copy: one sort per partition is cheaper than a million insertions. Both parents get the same indexes,
-- so that moving a partition between them builds nothing.
ALTER TABLE audit_logs ADD PRIMARY KEY (event_id, occurred_at);
ALTER TABLE audit_archive ADD PRIMARY KEY (event_id, occurred_at);
CREATE INDEX audit_logs_order ON audit_logs (xid, id);
CREATE INDEX audit_archive_order ON audit_archive (xid, id);

DROP TABLE audit_logs_flat;
