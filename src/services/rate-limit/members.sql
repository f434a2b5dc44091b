-- The limiting processes, and the most that each may be admitting; degraded.ts explains the columns: part is the quota
-- share, asks: uses Redis, wants: awaits Redis, grown: expanded.
-- Milliseconds of this database's clock.
CREATE TABLE limiter_members (
  incarnation  text PRIMARY KEY,
  name         text NOT NULL,
  part         double precision NOT NULL CHECK (part BETWEEN 0 AND 1),
  run_id       text,
  asks         boolean NOT NULL,
  last_use_ms  double precision,
  wants        boolean NOT NULL,
  grown        boolean NOT NULL,
  last_grown_ms double precision,
  confirmed_ms double precision NOT NULL,
  gone_ms      double precision
);
