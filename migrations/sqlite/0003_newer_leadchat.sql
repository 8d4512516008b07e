-- The twin of postgres/0003_newer_leadchat.sql, which says what these columns are for. Types differ as in 0001: provider_config
-- is TEXT, so that SQLite leaves its numbers alone.
ALTER TABLE agent_bots ADD COLUMN secret TEXT;
ALTER TABLE channel_api ADD COLUMN secret TEXT;
ALTER TABLE channel_twilio_sms ADD COLUMN voice_enabled BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE channel_twilio_sms ADD COLUMN twiml_app_sid TEXT;
ALTER TABLE channel_twilio_sms ADD COLUMN api_key_secret TEXT;
ALTER TABLE channel_email ADD COLUMN imap_authentication TEXT DEFAULT 'plain';
ALTER TABLE channel_twilio_sms ADD COLUMN provider_config TEXT DEFAULT '{}';
