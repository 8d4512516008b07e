-- The columns that came with leadchats newer than 0001 (schema versions 20260324070820 to 20260604000000), so that an own
-- store can hold what those hold, and rows of theirs can be copied as they are. Each is nullable or has a constant default:
-- what knows nothing of them goes on as before.
--
-- channel_voice, which newer leadchats have dropped, is kept: what an own store holds does not go away.
--
-- agent_bots.secret is never read.
ALTER TABLE agent_bots ADD COLUMN secret varchar;
ALTER TABLE channel_api ADD COLUMN secret varchar;
ALTER TABLE channel_twilio_sms ADD COLUMN voice_enabled boolean NOT NULL DEFAULT false;
ALTER TABLE channel_twilio_sms ADD COLUMN twiml_app_sid varchar;
ALTER TABLE channel_twilio_sms ADD COLUMN api_key_secret varchar;
ALTER TABLE channel_email ADD COLUMN imap_authentication varchar DEFAULT 'plain';
ALTER TABLE channel_twilio_sms ADD COLUMN provider_config jsonb DEFAULT '{}';
