-- The twin of postgres/0001_leadchat_tables.sql: same tables, columns, nullability, defaults and index names.
--
-- What differs, and why:
-- * JSON columns are TEXT. A column declared jsonb would get numeric affinity, and SQLite would turn a stored 12.0 into 12.
-- * Timestamps are TEXT, 'YYYY-MM-DD HH:MM:SS.ffffff' in UTC: what PostgreSQL prints, and it sorts as time does.
-- * Integers of both widths are INTEGER, which is 64 bits wide; varchar and text are TEXT, without a length limit.
-- * Ids are AUTOINCREMENT. A PostgreSQL sequence never hands out an id twice, but a plain INTEGER PRIMARY KEY re-uses the
--   id of a deleted last row. Nothing here cascades, so a new inbox with an old id would take over the memberships, bots
--   and avatar left behind by the deleted one.
-- * The two foreign keys stand in the tables: SQLite cannot add one later.

-- status: 0 active, 1 suspended.
CREATE TABLE accounts (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  name TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  locale INTEGER DEFAULT 0,
  domain TEXT,
  support_email TEXT,
  feature_flags INTEGER NOT NULL DEFAULT 0,
  auto_resolve_duration INTEGER,
  limits TEXT DEFAULT '{}',
  custom_attributes TEXT DEFAULT '{}',
  status INTEGER DEFAULT 0,
  internal_attributes TEXT NOT NULL DEFAULT '{}',
  settings TEXT DEFAULT '{}'
);
CREATE INDEX index_accounts_on_status ON accounts (status);

-- Only what the rights of a viewer need. What a Rails database keeps beside it (password digests, tokens, second
-- factors) is never read here, so an own store has no place for it.
CREATE TABLE users (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  name TEXT NOT NULL,
  email TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  type TEXT
);
CREATE INDEX index_users_on_email ON users (email);

-- A user's role in an account: 0 agent, 1 administrator; NULL counts as agent.
CREATE TABLE account_users (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  account_id INTEGER,
  user_id INTEGER,
  role INTEGER DEFAULT 0,
  inviter_id INTEGER,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  active_at TEXT,
  availability INTEGER NOT NULL DEFAULT 0,
  auto_offline BOOLEAN NOT NULL DEFAULT true,
  custom_role_id INTEGER,
  agent_capacity_policy_id INTEGER
);
CREATE INDEX index_account_users_on_account_id ON account_users (account_id);
CREATE INDEX index_account_users_on_agent_capacity_policy_id ON account_users (agent_capacity_policy_id);
CREATE INDEX index_account_users_on_custom_role_id ON account_users (custom_role_id);
CREATE INDEX index_account_users_on_user_id ON account_users (user_id);
CREATE UNIQUE INDEX uniq_user_id_per_account_id ON account_users (account_id, user_id);

-- Which agents see which inboxes. A row without its account_users row gives no right.
CREATE TABLE inbox_members (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  user_id INTEGER NOT NULL,
  inbox_id INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX index_inbox_members_on_inbox_id ON inbox_members (inbox_id);
CREATE UNIQUE INDEX index_inbox_members_on_inbox_id_and_user_id ON inbox_members (inbox_id, user_id);

-- channel_type and channel_id point at one of the channel tables by class name; no database constraint can say so, and
-- the row they point at may be missing.
CREATE TABLE inboxes (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  channel_id INTEGER NOT NULL,
  account_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  channel_type TEXT,
  enable_auto_assignment BOOLEAN DEFAULT true,
  greeting_enabled BOOLEAN DEFAULT false,
  greeting_message TEXT,
  email_address TEXT,
  working_hours_enabled BOOLEAN DEFAULT false,
  out_of_office_message TEXT,
  timezone TEXT DEFAULT 'UTC',
  enable_email_collect BOOLEAN DEFAULT true,
  csat_survey_enabled BOOLEAN DEFAULT false,
  allow_messages_after_resolved BOOLEAN DEFAULT true,
  auto_assignment_config TEXT DEFAULT '{}',
  lock_to_single_conversation BOOLEAN NOT NULL DEFAULT false,
  portal_id INTEGER REFERENCES portals (id),
  sender_name_type INTEGER NOT NULL DEFAULT 0,
  business_name TEXT,
  csat_config TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX index_inboxes_on_account_id ON inboxes (account_id);
CREATE INDEX index_inboxes_on_channel_id_and_channel_type ON inboxes (channel_id, channel_type);
CREATE INDEX index_inboxes_on_portal_id ON inboxes (portal_id);

CREATE TABLE working_hours (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  inbox_id INTEGER,
  account_id INTEGER,
  day_of_week INTEGER NOT NULL,
  closed_all_day BOOLEAN DEFAULT false,
  open_hour INTEGER,
  open_minutes INTEGER,
  close_hour INTEGER,
  close_minutes INTEGER,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  open_all_day BOOLEAN DEFAULT false
);
CREATE INDEX index_working_hours_on_account_id ON working_hours (account_id);
CREATE INDEX index_working_hours_on_inbox_id ON working_hours (inbox_id);

-- Help centers. A portal may serve inboxes of more accounts than its own.
CREATE TABLE portals (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  account_id INTEGER NOT NULL,
  name TEXT NOT NULL,
  slug TEXT NOT NULL,
  custom_domain TEXT,
  color TEXT,
  homepage_link TEXT,
  page_title TEXT,
  header_text TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  config TEXT DEFAULT '{"allowed_locales": ["en"]}',
  archived BOOLEAN DEFAULT false,
  channel_web_widget_id INTEGER,
  ssl_settings TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX index_portals_on_channel_web_widget_id ON portals (channel_web_widget_id);
CREATE UNIQUE INDEX index_portals_on_custom_domain ON portals (custom_domain);
CREATE UNIQUE INDEX index_portals_on_slug ON portals (slug);

-- A bot with account_id NULL is a system bot: it exists for every account.
CREATE TABLE agent_bots (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  name TEXT,
  description TEXT,
  outgoing_url TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  account_id INTEGER,
  bot_type INTEGER DEFAULT 0,
  bot_config TEXT DEFAULT '{}'
);
CREATE INDEX index_agent_bots_on_account_id ON agent_bots (account_id);

-- status: 0 active, 1 inactive.
CREATE TABLE agent_bot_inboxes (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  inbox_id INTEGER,
  agent_bot_id INTEGER,
  status INTEGER DEFAULT 0,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  account_id INTEGER
);

-- The 13 channel kinds, a table each.
CREATE TABLE channel_api (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  account_id INTEGER NOT NULL,
  webhook_url TEXT,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  identifier TEXT,
  hmac_token TEXT,
  hmac_mandatory BOOLEAN DEFAULT false,
  additional_attributes TEXT DEFAULT '{}'
);
CREATE UNIQUE INDEX index_channel_api_on_hmac_token ON channel_api (hmac_token);
CREATE UNIQUE INDEX index_channel_api_on_identifier ON channel_api (identifier);

CREATE TABLE channel_email (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  account_id INTEGER NOT NULL,
  email TEXT NOT NULL,
  forward_to_email TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  imap_enabled BOOLEAN DEFAULT false,
  imap_address TEXT DEFAULT '',
  imap_port INTEGER DEFAULT 0,
  imap_login TEXT DEFAULT '',
  imap_password TEXT DEFAULT '',
  imap_enable_ssl BOOLEAN DEFAULT true,
  smtp_enabled BOOLEAN DEFAULT false,
  smtp_address TEXT DEFAULT '',
  smtp_port INTEGER DEFAULT 0,
  smtp_login TEXT DEFAULT '',
  smtp_password TEXT DEFAULT '',
  smtp_domain TEXT DEFAULT '',
  smtp_enable_starttls_auto BOOLEAN DEFAULT true,
  smtp_authentication TEXT DEFAULT 'login',
  smtp_openssl_verify_mode TEXT DEFAULT 'none',
  smtp_enable_ssl_tls BOOLEAN DEFAULT false,
  provider_config TEXT DEFAULT '{}',
  provider TEXT,
  verified_for_sending BOOLEAN NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX index_channel_email_on_email ON channel_email (email);
CREATE UNIQUE INDEX index_channel_email_on_forward_to_email ON channel_email (forward_to_email);

CREATE TABLE channel_facebook_pages (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  page_id TEXT NOT NULL,
  user_access_token TEXT NOT NULL,
  page_access_token TEXT NOT NULL,
  account_id INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  instagram_id TEXT
);
CREATE INDEX index_channel_facebook_pages_on_page_id ON channel_facebook_pages (page_id);
CREATE UNIQUE INDEX index_channel_facebook_pages_on_page_id_and_account_id ON channel_facebook_pages (page_id, account_id);

CREATE TABLE channel_instagram (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  access_token TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  account_id INTEGER NOT NULL,
  instagram_id TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX index_channel_instagram_on_instagram_id ON channel_instagram (instagram_id);

CREATE TABLE channel_line (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  account_id INTEGER NOT NULL,
  line_channel_id TEXT NOT NULL,
  line_channel_secret TEXT NOT NULL,
  line_channel_token TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX index_channel_line_on_line_channel_id ON channel_line (line_channel_id);

CREATE TABLE channel_sms (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  account_id INTEGER NOT NULL,
  phone_number TEXT NOT NULL,
  provider TEXT DEFAULT 'default',
  provider_config TEXT DEFAULT '{}',
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX index_channel_sms_on_phone_number ON channel_sms (phone_number);

CREATE TABLE channel_telegram (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  bot_name TEXT,
  account_id INTEGER NOT NULL,
  bot_token TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX index_channel_telegram_on_bot_token ON channel_telegram (bot_token);

CREATE TABLE channel_tiktok (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  account_id INTEGER NOT NULL,
  business_id TEXT NOT NULL,
  access_token TEXT NOT NULL,
  expires_at TEXT NOT NULL,
  refresh_token TEXT NOT NULL,
  refresh_token_expires_at TEXT NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE UNIQUE INDEX index_channel_tiktok_on_business_id ON channel_tiktok (business_id);

CREATE TABLE channel_twilio_sms (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  phone_number TEXT,
  auth_token TEXT NOT NULL,
  account_sid TEXT NOT NULL,
  account_id INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  medium INTEGER DEFAULT 0,
  messaging_service_sid TEXT,
  api_key_sid TEXT,
  content_templates TEXT DEFAULT '{}',
  content_templates_last_updated TEXT
);
CREATE UNIQUE INDEX index_channel_twilio_sms_on_account_sid_and_phone_number ON channel_twilio_sms (account_sid, phone_number);
CREATE UNIQUE INDEX index_channel_twilio_sms_on_messaging_service_sid ON channel_twilio_sms (messaging_service_sid);
CREATE UNIQUE INDEX index_channel_twilio_sms_on_phone_number ON channel_twilio_sms (phone_number);

CREATE TABLE channel_twitter_profiles (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  profile_id TEXT NOT NULL,
  twitter_access_token TEXT NOT NULL,
  twitter_access_token_secret TEXT NOT NULL,
  account_id INTEGER NOT NULL,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  tweets_enabled BOOLEAN DEFAULT true
);
CREATE UNIQUE INDEX index_channel_twitter_profiles_on_account_id_and_profile_id ON channel_twitter_profiles (account_id, profile_id);

CREATE TABLE channel_voice (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  phone_number TEXT NOT NULL,
  provider TEXT NOT NULL DEFAULT 'twilio',
  provider_config TEXT NOT NULL,
  account_id INTEGER NOT NULL,
  additional_attributes TEXT DEFAULT '{}',
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL
);
CREATE INDEX index_channel_voice_on_account_id ON channel_voice (account_id);
CREATE UNIQUE INDEX index_channel_voice_on_phone_number ON channel_voice (phone_number);

CREATE TABLE channel_web_widgets (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  website_url TEXT,
  account_id INTEGER,
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  website_token TEXT,
  widget_color TEXT DEFAULT '#1f93ff',
  welcome_title TEXT,
  welcome_tagline TEXT,
  feature_flags INTEGER NOT NULL DEFAULT 7,
  reply_time INTEGER DEFAULT 0,
  hmac_token TEXT,
  pre_chat_form_enabled BOOLEAN DEFAULT false,
  pre_chat_form_options TEXT DEFAULT '{}',
  hmac_mandatory BOOLEAN DEFAULT false,
  continuity_via_email BOOLEAN NOT NULL DEFAULT true,
  allowed_domains TEXT DEFAULT ''
);
CREATE UNIQUE INDEX index_channel_web_widgets_on_hmac_token ON channel_web_widgets (hmac_token);
CREATE UNIQUE INDEX index_channel_web_widgets_on_website_token ON channel_web_widgets (website_token);

CREATE TABLE channel_whatsapp (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  account_id INTEGER NOT NULL,
  phone_number TEXT NOT NULL,
  provider TEXT DEFAULT 'default',
  provider_config TEXT DEFAULT '{}',
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  message_templates TEXT DEFAULT '{}',
  message_templates_last_updated TEXT
);
CREATE UNIQUE INDEX index_channel_whatsapp_on_phone_number ON channel_whatsapp (phone_number);

-- Active Storage: an inbox's avatar is its attachment (record_type 'Inbox', name 'avatar').
CREATE TABLE active_storage_blobs (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  key TEXT NOT NULL,
  filename TEXT NOT NULL,
  content_type TEXT,
  metadata TEXT,
  byte_size INTEGER NOT NULL,
  checksum TEXT,
  created_at TEXT NOT NULL,
  service_name TEXT NOT NULL
);
CREATE UNIQUE INDEX index_active_storage_blobs_on_key ON active_storage_blobs (key);

CREATE TABLE active_storage_attachments (
  id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
  name TEXT NOT NULL,
  record_type TEXT NOT NULL,
  record_id INTEGER NOT NULL,
  blob_id INTEGER NOT NULL REFERENCES active_storage_blobs (id),
  created_at TEXT NOT NULL
);
CREATE INDEX index_active_storage_attachments_on_blob_id ON active_storage_attachments (blob_id);
CREATE UNIQUE INDEX index_active_storage_attachments_uniqueness ON active_storage_attachments (record_type, record_id, name, blob_id);
