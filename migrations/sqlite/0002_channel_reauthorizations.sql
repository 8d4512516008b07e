-- The twin of postgres/0002_channel_reauthorizations.sql, which says what the table is for: it stands for leadchat's Redis
-- keys alfred:REAUTHORIZATION_REQUIRED:... and alfred:AUTHORIZATION_ERROR_COUNT:... in a store that has no Redis beside it.
CREATE TABLE channel_reauthorizations (
  channel_type TEXT NOT NULL,
  channel_id INTEGER NOT NULL,
  required BOOLEAN NOT NULL DEFAULT false,
  error_count INTEGER NOT NULL DEFAULT 0,
  -- UTC in the form of the other timestamps; SQLite's clock has milliseconds, the last three digits only keep the width.
  updated_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f000', 'now')),
  PRIMARY KEY (channel_type, channel_id)
);
