CREATE TABLE IF NOT EXISTS pipeline.loads (
  target VARCHAR(256) NOT NULL,
  generation BIGINT NOT NULL,
  batch BIGINT NOT NULL,
  fingerprint VARCHAR(64) NOT NULL,
  rows_copied BIGINT NOT NULL,
  rows_inserted BIGINT NOT NULL,
  rows_deleted BIGINT NOT NULL,
  run_id VARCHAR(256) NOT NULL,
  started_at TIMESTAMPTZ NOT NULL,
  finished_at TIMESTAMPTZ NOT NULL,
  batch_id VARCHAR(64)
) SORTKEY (target, generation, batch);
