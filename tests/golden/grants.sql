-- What leadchat-inbox 0.1.0 reads, for a role of its own.
-- To be run by the owner of the tables, who needs CREATEROLE to make the role, and again after an
-- upgrade of leadchat or of leadchat-inbox.
BEGIN;

DO $make_role$
DECLARE
  held regclass;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'leadchat_inbox') THEN
    CREATE ROLE leadchat_inbox LOGIN;
    COMMENT ON ROLE leadchat_inbox IS 'leadchat-inbox';
    ALTER ROLE leadchat_inbox SET default_transaction_read_only = on;
  ELSIF (SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = 'leadchat_inbox')
    IS DISTINCT FROM 'leadchat-inbox'
  THEN
    -- What follows would take away what it has for other purposes.
    RAISE EXCEPTION 'the role % was not made by `leadchat-inbox grants`', 'leadchat_inbox'
      USING HINT = 'If only leadchat-inbox uses it: COMMENT ON ROLE ... IS ''leadchat-inbox''';
  END IF;

  -- What it may read already is granted anew below, as far as it is still read.
  FOR held IN
    SELECT c.oid FROM pg_class c
    WHERE pg_has_role(c.relowner, 'USAGE') AND EXISTS (
      SELECT FROM aclexplode(c.relacl) acl JOIN pg_roles ON acl.grantee = pg_roles.oid
        WHERE rolname = 'leadchat_inbox'
      UNION ALL
      SELECT FROM pg_attribute a, aclexplode(a.attacl) acl JOIN pg_roles ON acl.grantee = pg_roles.oid
        WHERE a.attrelid = c.oid AND rolname = 'leadchat_inbox')
  LOOP
    EXECUTE format('REVOKE ALL ON TABLE %s FROM %I', held, 'leadchat_inbox');
  END LOOP;
END
$make_role$;

GRANT CONNECT ON DATABASE leadchat TO leadchat_inbox;
GRANT USAGE ON SCHEMA public TO leadchat_inbox;
GRANT SELECT (account_id, user_id, role)
  ON public.account_users TO leadchat_inbox;
GRANT SELECT (id, feature_flags, status)
  ON public.accounts TO leadchat_inbox;
GRANT SELECT (id, name, record_type, record_id, blob_id)
  ON public.active_storage_attachments TO leadchat_inbox;
GRANT SELECT (id, filename, content_type)
  ON public.active_storage_blobs TO leadchat_inbox;
GRANT SELECT (inbox_id, agent_bot_id, status)
  ON public.agent_bot_inboxes TO leadchat_inbox;
GRANT SELECT (id, account_id)
  ON public.agent_bots TO leadchat_inbox;
GRANT SELECT (id, webhook_url, identifier, hmac_token, hmac_mandatory, additional_attributes)
  ON public.channel_api TO leadchat_inbox;
GRANT SELECT (id, email, forward_to_email, imap_enabled, imap_address, imap_port, imap_login, imap_password, imap_enable_ssl, smtp_enabled, smtp_address, smtp_port, smtp_login, smtp_password, smtp_domain, smtp_enable_starttls_auto, smtp_authentication, smtp_openssl_verify_mode, smtp_enable_ssl_tls, provider_config, provider)
  ON public.channel_email TO leadchat_inbox;
GRANT SELECT (id, page_id, instagram_id)
  ON public.channel_facebook_pages TO leadchat_inbox;
GRANT SELECT (id, instagram_id)
  ON public.channel_instagram TO leadchat_inbox;
GRANT SELECT (id, line_channel_id)
  ON public.channel_line TO leadchat_inbox;
GRANT SELECT (id, phone_number, provider)
  ON public.channel_sms TO leadchat_inbox;
GRANT SELECT (id, bot_name, bot_token)
  ON public.channel_telegram TO leadchat_inbox;
GRANT SELECT (id, business_id)
  ON public.channel_tiktok TO leadchat_inbox;
GRANT SELECT (id, phone_number, auth_token, account_sid, medium, messaging_service_sid, api_key_sid, content_templates)
  ON public.channel_twilio_sms TO leadchat_inbox;
GRANT SELECT (id, profile_id, tweets_enabled)
  ON public.channel_twitter_profiles TO leadchat_inbox;
GRANT SELECT (id, phone_number, provider)
  ON public.channel_voice TO leadchat_inbox;
GRANT SELECT (id, website_url, website_token, widget_color, welcome_title, welcome_tagline, feature_flags, reply_time, hmac_token, pre_chat_form_enabled, pre_chat_form_options, hmac_mandatory, continuity_via_email, allowed_domains)
  ON public.channel_web_widgets TO leadchat_inbox;
GRANT SELECT (id, account_id, phone_number, provider, provider_config, message_templates)
  ON public.channel_whatsapp TO leadchat_inbox;
GRANT SELECT (user_id, inbox_id)
  ON public.inbox_members TO leadchat_inbox;
GRANT SELECT (id, channel_id, account_id, name, channel_type, enable_auto_assignment, greeting_enabled, greeting_message, working_hours_enabled, out_of_office_message, timezone, enable_email_collect, csat_survey_enabled, allow_messages_after_resolved, auto_assignment_config, lock_to_single_conversation, portal_id, sender_name_type, business_name, csat_config)
  ON public.inboxes TO leadchat_inbox;
GRANT SELECT (id, name, slug)
  ON public.portals TO leadchat_inbox;
GRANT SELECT (version)
  ON public.schema_migrations TO leadchat_inbox;
GRANT SELECT (id)
  ON public.users TO leadchat_inbox;
GRANT SELECT (id, inbox_id, day_of_week, closed_all_day, open_hour, open_minutes, close_hour, close_minutes, open_all_day)
  ON public.working_hours TO leadchat_inbox;

COMMIT;

-- PostgreSQL only warns if a GRANT gives nothing, such as CONNECT by an owner of the tables who does
-- not own the database. Here this is an error; the rights that were given stay.
DO $make_role$
DECLARE
  lacking text;
BEGIN
  SELECT string_agg('GRANT ' || what || ' TO leadchat_inbox', '; ') INTO lacking FROM (
    SELECT 'CONNECT ON DATABASE leadchat' AS what
      WHERE NOT has_database_privilege('leadchat_inbox', current_database(), 'CONNECT')
    UNION ALL
    SELECT 'USAGE ON SCHEMA ' || name FROM unnest(ARRAY['public']) name
      WHERE NOT has_schema_privilege('leadchat_inbox', to_regnamespace(name), 'USAGE')
    UNION ALL
    SELECT 'SELECT (...) ON ' || name
      FROM unnest(ARRAY['public.account_users', 'public.accounts', 'public.active_storage_attachments', 'public.active_storage_blobs', 'public.agent_bot_inboxes', 'public.agent_bots', 'public.channel_api', 'public.channel_email', 'public.channel_facebook_pages', 'public.channel_instagram', 'public.channel_line', 'public.channel_sms', 'public.channel_telegram', 'public.channel_tiktok', 'public.channel_twilio_sms', 'public.channel_twitter_profiles', 'public.channel_voice', 'public.channel_web_widgets', 'public.channel_whatsapp', 'public.inbox_members', 'public.inboxes', 'public.portals', 'public.schema_migrations', 'public.users', 'public.working_hours']) name
      WHERE NOT has_any_column_privilege('leadchat_inbox', name, 'SELECT')) all_of_it;
  IF lacking IS NOT NULL THEN
    RAISE EXCEPTION '% could not grant all rights; the owner of the object has to run: %', current_user, lacking;
  END IF;
END
$make_role$;

-- Its password: \password leadchat_inbox
-- To undo all of it:
--   GRANT leadchat_inbox TO CURRENT_USER; DROP OWNED BY leadchat_inbox; DROP ROLE leadchat_inbox;
