-- The tables an inbox is read from, as a leadchat (Rails) database has them at schema version 2025_11_19_161025: same
-- tables, columns in the same order, types, nullability, defaults and index names, so that one set of queries reads an
-- own store and an attached Rails database alike. Left out is only what is never read: the other columns of users, and
-- the tables of custom roles, API tokens and installation settings.
--
-- The mixed integer widths (integer here, bigint there, for the same id) and the missing foreign keys are leadchat's.
-- They are kept because readers must cope with them anyway.

-- status: 0 active, 1 suspended.
CREATE TABLE accounts (
  id serial PRIMARY KEY,
  name varchar NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  locale integer DEFAULT 0,
  domain varchar(100),
  support_email varchar(100),
  feature_flags bigint NOT NULL DEFAULT 0,
  auto_resolve_duration integer,
  limits jsonb DEFAULT '{}',
  custom_attributes jsonb DEFAULT '{}',
  status integer DEFAULT 0,
  internal_attributes jsonb NOT NULL DEFAULT '{}',
  settings jsonb DEFAULT '{}'
);
CREATE INDEX index_accounts_on_status ON accounts (status);

-- Only what the rights of a viewer need. What a Rails database keeps beside it (password digests, tokens, second
-- factors) is never read here, so an own store has no place for it.
CREATE TABLE users (
  id serial PRIMARY KEY,
  name varchar NOT NULL,
  email varchar,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  type varchar
);
CREATE INDEX index_users_on_email ON users (email);

-- A user's role in an account: 0 agent, 1 administrator; NULL counts as agent.
CREATE TABLE account_users (
  id bigserial PRIMARY KEY,
  account_id bigint,
  user_id bigint,
  role integer DEFAULT 0,
  inviter_id bigint,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  active_at timestamp,
  availability integer NOT NULL DEFAULT 0,
  auto_offline boolean NOT NULL DEFAULT true,
  custom_role_id bigint,
  agent_capacity_policy_id bigint
);
CREATE INDEX index_account_users_on_account_id ON account_users (account_id);
CREATE INDEX index_account_users_on_agent_capacity_policy_id ON account_users (agent_capacity_policy_id);
CREATE INDEX index_account_users_on_custom_role_id ON account_users (custom_role_id);
CREATE INDEX index_account_users_on_user_id ON account_users (user_id);
CREATE UNIQUE INDEX uniq_user_id_per_account_id ON account_users (account_id, user_id);

-- Which agents see which inboxes. A row without its account_users row gives no right.
CREATE TABLE inbox_members (
  id serial PRIMARY KEY,
  user_id integer NOT NULL,
  inbox_id integer NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL
);
CREATE INDEX index_inbox_members_on_inbox_id ON inbox_members (inbox_id);
CREATE UNIQUE INDEX index_inbox_members_on_inbox_id_and_user_id ON inbox_members (inbox_id, user_id);

-- channel_type and channel_id point at one of the channel tables by class name; no database constraint can say so, and
-- the row they point at may be missing.
CREATE TABLE inboxes (
  id serial PRIMARY KEY,
  channel_id integer NOT NULL,
  account_id integer NOT NULL,
  name varchar NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  channel_type varchar,
  enable_auto_assignment boolean DEFAULT true,
  greeting_enabled boolean DEFAULT false,
  greeting_message varchar,
  email_address varchar,
  working_hours_enabled boolean DEFAULT false,
  out_of_office_message varchar,
  timezone varchar DEFAULT 'UTC',
  enable_email_collect boolean DEFAULT true,
  csat_survey_enabled boolean DEFAULT false,
  allow_messages_after_resolved boolean DEFAULT true,
  auto_assignment_config jsonb DEFAULT '{}',
  lock_to_single_conversation boolean NOT NULL DEFAULT false,
  portal_id bigint,
  sender_name_type integer NOT NULL DEFAULT 0,
  business_name varchar,
  csat_config jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX index_inboxes_on_account_id ON inboxes (account_id);
CREATE INDEX index_inboxes_on_channel_id_and_channel_type ON inboxes (channel_id, channel_type);
CREATE INDEX index_inboxes_on_portal_id ON inboxes (portal_id);

CREATE TABLE working_hours (
  id bigserial PRIMARY KEY,
  inbox_id bigint,
  account_id bigint,
  day_of_week integer NOT NULL,
  closed_all_day boolean DEFAULT false,
  open_hour integer,
  open_minutes integer,
  close_hour integer,
  close_minutes integer,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  open_all_day boolean DEFAULT false
);
CREATE INDEX index_working_hours_on_account_id ON working_hours (account_id);
CREATE INDEX index_working_hours_on_inbox_id ON working_hours (inbox_id);

-- Help centers. A portal may serve inboxes of more accounts than its own.
CREATE TABLE portals (
  id bigserial PRIMARY KEY,
  account_id integer NOT NULL,
  name varchar NOT NULL,
  slug varchar NOT NULL,
  custom_domain varchar,
  color varchar,
  homepage_link varchar,
  page_title varchar,
  header_text text,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  config jsonb DEFAULT '{"allowed_locales": ["en"]}',
  archived boolean DEFAULT false,
  channel_web_widget_id bigint,
  ssl_settings jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX index_portals_on_channel_web_widget_id ON portals (channel_web_widget_id);
CREATE UNIQUE INDEX index_portals_on_custom_domain ON portals (custom_domain);
CREATE UNIQUE INDEX index_portals_on_slug ON portals (slug);

-- A bot with account_id NULL is a system bot: it exists for every account.
CREATE TABLE agent_bots (
  id bigserial PRIMARY KEY,
  name varchar,
  description varchar,
  outgoing_url varchar,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  account_id bigint,
  bot_type integer DEFAULT 0,
  bot_config jsonb DEFAULT '{}'
);
CREATE INDEX index_agent_bots_on_account_id ON agent_bots (account_id);

-- status: 0 active, 1 inactive.
CREATE TABLE agent_bot_inboxes (
  id bigserial PRIMARY KEY,
  inbox_id integer,
  agent_bot_id integer,
  status integer DEFAULT 0,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  account_id integer
);

-- The 13 channel kinds, a table each.
CREATE TABLE channel_api (
  id bigserial PRIMARY KEY,
  account_id integer NOT NULL,
  webhook_url varchar,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  identifier varchar,
  hmac_token varchar,
  hmac_mandatory boolean DEFAULT false,
  additional_attributes jsonb DEFAULT '{}'
);
CREATE UNIQUE INDEX index_channel_api_on_hmac_token ON channel_api (hmac_token);
CREATE UNIQUE INDEX index_channel_api_on_identifier ON channel_api (identifier);

CREATE TABLE channel_email (
  id bigserial PRIMARY KEY,
  account_id integer NOT NULL,
  email varchar NOT NULL,
  forward_to_email varchar NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  imap_enabled boolean DEFAULT false,
  imap_address varchar DEFAULT '',
  imap_port integer DEFAULT 0,
  imap_login varchar DEFAULT '',
  imap_password varchar DEFAULT '',
  imap_enable_ssl boolean DEFAULT true,
  smtp_enabled boolean DEFAULT false,
  smtp_address varchar DEFAULT '',
  smtp_port integer DEFAULT 0,
  smtp_login varchar DEFAULT '',
  smtp_password varchar DEFAULT '',
  smtp_domain varchar DEFAULT '',
  smtp_enable_starttls_auto boolean DEFAULT true,
  smtp_authentication varchar DEFAULT 'login',
  smtp_openssl_verify_mode varchar DEFAULT 'none',
  smtp_enable_ssl_tls boolean DEFAULT false,
  provider_config jsonb DEFAULT '{}',
  provider varchar,
  verified_for_sending boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX index_channel_email_on_email ON channel_email (email);
CREATE UNIQUE INDEX index_channel_email_on_forward_to_email ON channel_email (forward_to_email);

CREATE TABLE channel_facebook_pages (
  id serial PRIMARY KEY,
  page_id varchar NOT NULL,
  user_access_token varchar NOT NULL,
  page_access_token varchar NOT NULL,
  account_id integer NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  instagram_id varchar
);
CREATE INDEX index_channel_facebook_pages_on_page_id ON channel_facebook_pages (page_id);
CREATE UNIQUE INDEX index_channel_facebook_pages_on_page_id_and_account_id ON channel_facebook_pages (page_id, account_id);

CREATE TABLE channel_instagram (
  id bigserial PRIMARY KEY,
  access_token varchar NOT NULL,
  expires_at timestamp NOT NULL,
  account_id integer NOT NULL,
  instagram_id varchar NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL
);
CREATE UNIQUE INDEX index_channel_instagram_on_instagram_id ON channel_instagram (instagram_id);

CREATE TABLE channel_line (
  id bigserial PRIMARY KEY,
  account_id integer NOT NULL,
  line_channel_id varchar NOT NULL,
  line_channel_secret varchar NOT NULL,
  line_channel_token varchar NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL
);
CREATE UNIQUE INDEX index_channel_line_on_line_channel_id ON channel_line (line_channel_id);

CREATE TABLE channel_sms (
  id bigserial PRIMARY KEY,
  account_id integer NOT NULL,
  phone_number varchar NOT NULL,
  provider varchar DEFAULT 'default',
  provider_config jsonb DEFAULT '{}',
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL
);
CREATE UNIQUE INDEX index_channel_sms_on_phone_number ON channel_sms (phone_number);

CREATE TABLE channel_telegram (
  id bigserial PRIMARY KEY,
  bot_name varchar,
  account_id integer NOT NULL,
  bot_token varchar NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL
);
CREATE UNIQUE INDEX index_channel_telegram_on_bot_token ON channel_telegram (bot_token);

CREATE TABLE channel_tiktok (
  id bigserial PRIMARY KEY,
  account_id integer NOT NULL,
  business_id varchar NOT NULL,
  access_token varchar NOT NULL,
  expires_at timestamp NOT NULL,
  refresh_token varchar NOT NULL,
  refresh_token_expires_at timestamp NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL
);
CREATE UNIQUE INDEX index_channel_tiktok_on_business_id ON channel_tiktok (business_id);

CREATE TABLE channel_twilio_sms (
  id bigserial PRIMARY KEY,
  phone_number varchar,
  auth_token varchar NOT NULL,
  account_sid varchar NOT NULL,
  account_id integer NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  medium integer DEFAULT 0,
  messaging_service_sid varchar,
  api_key_sid varchar,
  content_templates jsonb DEFAULT '{}',
  content_templates_last_updated timestamp
);
CREATE UNIQUE INDEX index_channel_twilio_sms_on_account_sid_and_phone_number ON channel_twilio_sms (account_sid, phone_number);
CREATE UNIQUE INDEX index_channel_twilio_sms_on_messaging_service_sid ON channel_twilio_sms (messaging_service_sid);
CREATE UNIQUE INDEX index_channel_twilio_sms_on_phone_number ON channel_twilio_sms (phone_number);

CREATE TABLE channel_twitter_profiles (
  id bigserial PRIMARY KEY,
  profile_id varchar NOT NULL,
  twitter_access_token varchar NOT NULL,
  twitter_access_token_secret varchar NOT NULL,
  account_id integer NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  tweets_enabled boolean DEFAULT true
);
CREATE UNIQUE INDEX index_channel_twitter_profiles_on_account_id_and_profile_id ON channel_twitter_profiles (account_id, profile_id);

CREATE TABLE channel_voice (
  id bigserial PRIMARY KEY,
  phone_number varchar NOT NULL,
  provider varchar NOT NULL DEFAULT 'twilio',
  provider_config jsonb NOT NULL,
  account_id integer NOT NULL,
  additional_attributes jsonb DEFAULT '{}',
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL
);
CREATE INDEX index_channel_voice_on_account_id ON channel_voice (account_id);
CREATE UNIQUE INDEX index_channel_voice_on_phone_number ON channel_voice (phone_number);

CREATE TABLE channel_web_widgets (
  id serial PRIMARY KEY,
  website_url varchar,
  account_id integer,
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  website_token varchar,
  widget_color varchar DEFAULT '#1f93ff',
  welcome_title varchar,
  welcome_tagline varchar,
  feature_flags integer NOT NULL DEFAULT 7,
  reply_time integer DEFAULT 0,
  hmac_token varchar,
  pre_chat_form_enabled boolean DEFAULT false,
  pre_chat_form_options jsonb DEFAULT '{}',
  hmac_mandatory boolean DEFAULT false,
  continuity_via_email boolean NOT NULL DEFAULT true,
  allowed_domains text DEFAULT ''
);
CREATE UNIQUE INDEX index_channel_web_widgets_on_hmac_token ON channel_web_widgets (hmac_token);
CREATE UNIQUE INDEX index_channel_web_widgets_on_website_token ON channel_web_widgets (website_token);

CREATE TABLE channel_whatsapp (
  id bigserial PRIMARY KEY,
  account_id integer NOT NULL,
  phone_number varchar NOT NULL,
  provider varchar DEFAULT 'default',
  provider_config jsonb DEFAULT '{}',
  created_at timestamp NOT NULL,
  updated_at timestamp NOT NULL,
  message_templates jsonb DEFAULT '{}',
  message_templates_last_updated timestamp
);
CREATE UNIQUE INDEX index_channel_whatsapp_on_phone_number ON channel_whatsapp (phone_number);

-- Active Storage: an inbox's avatar is its attachment (record_type 'Inbox', name 'avatar').
CREATE TABLE active_storage_blobs (
  id bigserial PRIMARY KEY,
  key varchar NOT NULL,
  filename varchar NOT NULL,
  content_type varchar,
  metadata text,
  byte_size bigint NOT NULL,
  checksum varchar,
  created_at timestamp NOT NULL,
  service_name varchar NOT NULL
);
CREATE UNIQUE INDEX index_active_storage_blobs_on_key ON active_storage_blobs (key);

CREATE TABLE active_storage_attachments (
  id bigserial PRIMARY KEY,
  name varchar NOT NULL,
  record_type varchar NOT NULL,
  record_id bigint NOT NULL,
  blob_id bigint NOT NULL,
  created_at timestamp NOT NULL
);
CREATE INDEX index_active_storage_attachments_on_blob_id ON active_storage_attachments (blob_id);
CREATE UNIQUE INDEX index_active_storage_attachments_uniqueness ON active_storage_attachments (record_type, record_id, name, blob_id);

-- The only two foreign keys leadchat has between these tables.
ALTER TABLE inboxes ADD FOREIGN KEY (portal_id) REFERENCES portals (id);
ALTER TABLE active_storage_attachments ADD FOREIGN KEY (blob_id) REFERENCES active_storage_blobs (id);
