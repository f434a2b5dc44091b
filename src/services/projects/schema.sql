-- The lean product: projects that belong to one user. Ids are ordered by time, so a page is a range of the index.
CREATE TABLE IF NOT EXISTS projects (
  id uuid PRIMARY KEY,
  owner_id bigint NOT NULL,
  name text NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS projects_owner_id ON projects (owner_id, id DESC);
