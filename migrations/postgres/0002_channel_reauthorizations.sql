-- Which channels have lost their authorization with the outside platform, and how often it was refused so far.
--
-- leadchat keeps this in Redis only: alfred:REAUTHORIZATION_REQUIRED:<singular table name>:<channel id> (any text that is
-- not blank means required) and alfred:AUTHORIZATION_ERROR_COUNT:<singular table name>:<channel id>. An own store has no
-- Redis beside it, so this table stands for both keys. No row is what no key is: not required, no errors.
--
-- channel_type is the class name, as inboxes.channel_type has it ('Channel::Email'), so that an inbox finds its row by
-- the pair it already carries. The table is ours: Rails has none of this name.
CREATE TABLE channel_reauthorizations (
  channel_type varchar NOT NULL,
  channel_id bigint NOT NULL,
  required boolean NOT NULL DEFAULT false,
  error_count integer NOT NULL DEFAULT 0,
  -- In UTC like every timestamp here: a bare now() would be the local time of the session.
  updated_at timestamp NOT NULL DEFAULT (now() AT TIME ZONE 'UTC'),
  PRIMARY KEY (channel_type, channel_id)
);
