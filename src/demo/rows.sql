-- Demonstration data for `serve --demo`: what `introduction` in ../demo.rs tells the user to expect.
--
-- People, companies, domains and numbers are invented, and every secret says that it is one of a demonstration. Channel
-- ids are the inbox ids plus 100, so that nobody takes one for the other. What is not named here keeps its default.

-- Accounts.

INSERT INTO accounts (id, name, domain, support_email, created_at, updated_at) VALUES
  (1, 'Paper Lantern Books', 'paperlantern.example', 'support@paperlantern.example',
    '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (2, 'Harbour Bikes', 'harbourbikes.example', 'support@harbourbikes.example',
    '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000');

-- Status 1 is suspended.

INSERT INTO accounts (id, name, domain, support_email, status, created_at, updated_at) VALUES
  (3, 'Tide Tours', 'tidetours.example', 'support@tidetours.example', 1,
    '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000');

-- Users.

INSERT INTO users (id, name, email, created_at, updated_at) VALUES
  (1, 'Ada', 'ada@paperlantern.example', '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (2, 'Ben', 'ben@paperlantern.example', '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (3, 'Cleo', 'cleo@harbourbikes.example', '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 'Dora', 'dora@paperlantern.example', '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000');

-- Their roles: 0 is an agent, 1 an administrator. Cleo is not the same in every account.

INSERT INTO account_users (account_id, user_id, role, inviter_id, created_at, updated_at) VALUES
  (1, 1, 1, NULL, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (1, 2, 0, 1, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (1, 3, 0, 1, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (1, 4, 0, 1, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (2, 3, 1, NULL, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (3, 3, 1, NULL, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000');

-- The agent bots.

INSERT INTO agent_bots (id, account_id, name, description, outgoing_url, created_at, updated_at) VALUES
  (1, 1, 'Lantern', 'Answers questions about opening hours and orders.', 'https://bot.paperlantern.example/events',
    '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (2, 1, 'Compass', 'Sorts conversations by topic.', 'https://compass.paperlantern.example/events',
    '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000');

-- The help center of inbox 1. It stands before the inboxes because they refer to it.

INSERT INTO portals (
  id, account_id, name, slug, custom_domain, color, homepage_link, page_title, header_text, channel_web_widget_id,
  created_at, updated_at
) VALUES (
  1, 1, 'Paper Lantern Help', 'paper-lantern-help', 'help.paperlantern.example', '#b5482f',
  'https://paperlantern.example', 'Paper Lantern Help', 'How can we help?', 101,
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 1: a web widget, with a help center, working hours, a form before the chat and a limit on automatic assignment.
-- The form's fields are those that leadchat starts with; two of them are switched on.

INSERT INTO channel_web_widgets (
  id, account_id, website_url, website_token, widget_color, welcome_title, welcome_tagline, feature_flags, reply_time,
  hmac_token, hmac_mandatory, pre_chat_form_enabled, pre_chat_form_options, continuity_via_email, allowed_domains,
  created_at, updated_at
) VALUES (
  101, 1, 'https://paperlantern.example', 'demo-website-token-1', '#b5482f', 'Welcome to Paper Lantern',
  'Ask us about a book, an order or a reading.', 15, 0, 'demo-widget-hmac-token-1', FALSE, TRUE,
  '{
    "pre_chat_message": "Share your queries or comments here.",
    "pre_chat_fields": [
      {"field_type": "standard", "label": "Email Id", "name": "emailAddress",
        "type": "email", "required": true, "enabled": true},
      {"field_type": "standard", "label": "Full name", "name": "fullName",
        "type": "text", "required": false, "enabled": true},
      {"field_type": "standard", "label": "Phone number", "name": "phoneNumber",
        "type": "text", "required": false, "enabled": false}
    ]
  }',
  TRUE, 'paperlantern.example,www.paperlantern.example', '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, greeting_enabled, greeting_message, working_hours_enabled,
  out_of_office_message, timezone, auto_assignment_config, portal_id, business_name, created_at, updated_at
) VALUES (
  1, 1, 'Channel::WebWidget', 101, 'Website chat', TRUE, 'Hello! What are you looking for today?', TRUE,
  'The shop is closed. Leave us a line and we will answer in the morning.', 'America/New_York',
  '{"max_assignment_limit": 10}', 1, 'Paper Lantern Books', '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 2: an API inbox.

INSERT INTO channel_api (
  id, account_id, webhook_url, identifier, hmac_token, secret, hmac_mandatory, additional_attributes, created_at,
  updated_at
) VALUES (
  102, 1, 'https://orders.paperlantern.example/leadchat/events', 'demo-api-identifier', 'demo-api-hmac-token',
  'demo-api-signing-secret', TRUE,
  '{"agent_reply_time_window": 24, "agent_reply_time_window_message": "This order can no longer be discussed here."}',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, enable_email_collect, timezone, lock_to_single_conversation,
  created_at, updated_at
) VALUES (
  2, 1, 'Channel::Api', 102, 'Order system', FALSE, 'America/New_York', TRUE,
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 3: an email address hosted by Google, with working hours.

INSERT INTO channel_email (
  id, account_id, email, forward_to_email,
  imap_enabled, imap_address, imap_port, imap_login, imap_password, imap_enable_ssl,
  smtp_enabled, smtp_address, smtp_port, smtp_login, smtp_password, smtp_domain, smtp_enable_starttls_auto,
  smtp_authentication, smtp_openssl_verify_mode, smtp_enable_ssl_tls,
  provider, provider_config, verified_for_sending, created_at, updated_at
) VALUES (
  103, 1, 'hello@paperlantern.example', 'demo-forwarding-3@inbound.leadchat.example',
  TRUE, 'imap.mail.example', 993, 'hello@paperlantern.example', 'demo-imap-password', TRUE,
  TRUE, 'smtp.mail.example', 587, 'hello@paperlantern.example', 'demo-smtp-password', 'paperlantern.example', TRUE,
  'login', 'peer', FALSE,
  'google',
  '{
    "access_token": "demo-google-access-token",
    "refresh_token": "demo-google-refresh-token",
    "expires_on": "2026-01-05 10:00:00 UTC"
  }',
  TRUE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, working_hours_enabled, out_of_office_message, timezone,
  sender_name_type, business_name, created_at, updated_at
) VALUES (
  3, 1, 'Channel::Email', 103, 'Customer mail', TRUE, 'Thank you for writing. We answer on the next working day.',
  'Europe/Lisbon', 1, 'Paper Lantern Books', '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 4: a Facebook page with a linked Instagram account.

INSERT INTO channel_facebook_pages (
  id, account_id, page_id, user_access_token, page_access_token, instagram_id, created_at, updated_at
) VALUES (
  104, 1, '555000000000104', 'demo-facebook-user-token', 'demo-facebook-page-token', '555000000001104',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, greeting_enabled, greeting_message, timezone, created_at, updated_at
) VALUES (
  4, 1, 'Channel::FacebookPage', 104, 'Facebook page', TRUE, 'Thanks for your message! We will be right with you.',
  'America/New_York', '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 5: an Instagram account connected on its own.

INSERT INTO channel_instagram (
  id, account_id, access_token, expires_at, instagram_id, created_at, updated_at
) VALUES (
  105, 1, 'demo-instagram-access-token', '2026-03-06 09:00:00.000000', '555000000000105',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, created_at, updated_at
) VALUES (
  5, 1, 'Channel::Instagram', 105, 'Instagram readings', 'America/New_York',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 6: a TikTok business account. Its tokens have run out, so it must be connected again.

INSERT INTO channel_tiktok (
  id, account_id, business_id, access_token, expires_at, refresh_token, refresh_token_expires_at, created_at, updated_at
) VALUES (
  106, 1, 'demo-tiktok-business', 'demo-tiktok-access-token', '2026-01-05 09:00:00.000000',
  'demo-tiktok-refresh-token', '2026-01-05 09:00:00.000000',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO channel_reauthorizations (channel_type, channel_id, required, error_count, updated_at) VALUES
  ('Channel::Tiktok', 106, TRUE, 0, '2026-01-05 09:00:00.000000');

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, created_at, updated_at
) VALUES (
  6, 1, 'Channel::Tiktok', 106, 'TikTok', 'America/Los_Angeles',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 7: a WhatsApp number at Twilio, with content templates.

INSERT INTO channel_twilio_sms (
  id, account_id, phone_number, account_sid, auth_token, medium, content_templates, content_templates_last_updated,
  created_at, updated_at
) VALUES (
  107, 1, 'whatsapp:+15555550107', 'demo-twilio-account-sid', 'demo-twilio-auth-token', 1,
  '{
    "templates": [
      {
        "content_sid": "demo-content-sid-1",
        "friendly_name": "order_ready",
        "language": "en",
        "status": "approved",
        "template_type": "text",
        "media_type": null,
        "variables": {"1": "Mira", "2": "A-1042"},
        "category": "utility",
        "body": "Hello {{1}}, your order {{2}} is ready to be collected.",
        "types": {"twilio/text": {"body": "Hello {{1}}, your order {{2}} is ready to be collected."}},
        "created_at": "2026-01-05T09:00:00Z",
        "updated_at": "2026-01-05T09:00:00Z"
      },
      {
        "content_sid": "demo-content-sid-2",
        "friendly_name": "reading_reminder",
        "language": "en",
        "status": "approved",
        "template_type": "media",
        "media_type": "image",
        "variables": {"1": "Friday"},
        "category": "marketing",
        "body": "See you at the reading on {{1}}!",
        "types": {
          "twilio/media": {
            "body": "See you at the reading on {{1}}!",
            "media": ["https://paperlantern.example/reading.jpg"]
          }
        },
        "created_at": "2026-01-05T09:00:00Z",
        "updated_at": "2026-01-05T09:00:00Z"
      }
    ]
  }',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, allow_messages_after_resolved, created_at, updated_at
) VALUES (
  7, 1, 'Channel::TwilioSms', 107, 'Pick-up desk', 'America/New_York', FALSE,
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 8: a Twitter profile.

INSERT INTO channel_twitter_profiles (
  id, account_id, profile_id, twitter_access_token, twitter_access_token_secret, tweets_enabled, created_at, updated_at
) VALUES (
  108, 1, '555000000000108', 'demo-twitter-access-token', 'demo-twitter-access-token-secret', TRUE,
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, created_at, updated_at
) VALUES (
  8, 1, 'Channel::TwitterProfile', 108, 'Twitter', 'America/New_York',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 9: a Telegram bot.

INSERT INTO channel_telegram (id, account_id, bot_name, bot_token, created_at, updated_at) VALUES
  (109, 1, 'paper_lantern_demo_bot', 'demo-telegram-bot-token',
    '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000');

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, created_at, updated_at
) VALUES (
  9, 1, 'Channel::Telegram', 109, 'Telegram book club', 'Europe/Lisbon',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 10: a Line official account.

INSERT INTO channel_line (
  id, account_id, line_channel_id, line_channel_secret, line_channel_token, created_at, updated_at
) VALUES (
  110, 1, '5550000110', 'demo-line-channel-secret', 'demo-line-channel-token',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, created_at, updated_at
) VALUES (
  10, 1, 'Channel::Line', 110, 'Line', 'Asia/Tokyo',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 11: an SMS number at Bandwidth.

INSERT INTO channel_sms (id, account_id, phone_number, provider, provider_config, created_at, updated_at) VALUES (
  111, 1, '+15555550111', 'default',
  '{
    "account_id": "demo-bandwidth-account",
    "application_id": "demo-bandwidth-application",
    "api_key": "demo-bandwidth-api-key",
    "api_secret": "demo-bandwidth-api-secret"
  }',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, enable_auto_assignment, timezone, created_at, updated_at
) VALUES (
  11, 1, 'Channel::Sms', 111, 'Text messages', FALSE, 'America/Chicago',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 12: a WhatsApp number at Meta, with message templates and a satisfaction survey.

INSERT INTO channel_whatsapp (
  id, account_id, phone_number, provider, provider_config, message_templates, message_templates_last_updated,
  created_at, updated_at
) VALUES (
  112, 1, '+15555550112', 'whatsapp_cloud',
  '{
    "api_key": "demo-whatsapp-api-key",
    "phone_number_id": "555000000000112",
    "business_account_id": "555000000001112",
    "webhook_verify_token": "demo-whatsapp-verify-token"
  }',
  '[
    {
      "id": "555000000002112",
      "name": "order_ready",
      "status": "APPROVED",
      "category": "UTILITY",
      "language": "en_US",
      "parameter_format": "POSITIONAL",
      "components": [
        {"type": "HEADER", "format": "TEXT", "text": "Your order"},
        {
          "type": "BODY",
          "text": "Hello {{1}}, your order {{2}} is ready to be collected.",
          "example": {"body_text": [["Mira", "A-1042"]]}
        },
        {"type": "FOOTER", "text": "Paper Lantern Books"}
      ]
    },
    {
      "id": "555000000003112",
      "name": "customer_satisfaction_survey_12",
      "status": "APPROVED",
      "category": "MARKETING",
      "language": "en",
      "parameter_format": "POSITIONAL",
      "components": [
        {"type": "BODY", "text": "How did we do?"},
        {
          "type": "BUTTONS",
          "buttons": [
            {
              "type": "URL",
              "text": "Please rate us",
              "url": "https://leadchat.example/survey/responses/{{1}}",
              "example": ["https://leadchat.example/survey/responses/demo"]
            }
          ]
        }
      ]
    }
  ]',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, csat_survey_enabled, csat_config, timezone, created_at, updated_at
) VALUES (
  12, 1, 'Channel::Whatsapp', 112, 'WhatsApp', TRUE,
  '{
    "display_type": "emoji",
    "message": "How did we do?",
    "button_text": "Please rate us",
    "language": "en",
    "survey_rules": {"operator": "does_not_contain", "values": ["wholesale", "spam"]},
    "template": {
      "name": "customer_satisfaction_survey_12",
      "template_id": "555000000003112",
      "created_at": "2026-01-05T09:00:00Z",
      "language": "en"
    }
  }',
  'America/New_York', '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 13: a phone number for voice calls.

INSERT INTO channel_voice (id, account_id, phone_number, provider, provider_config, created_at, updated_at) VALUES (
  113, 1, '+15555550113', 'twilio',
  '{
    "account_sid": "demo-voice-account-sid",
    "auth_token": "demo-voice-auth-token",
    "api_key_sid": "demo-voice-api-key-sid",
    "api_key_secret": "demo-voice-api-key-secret",
    "twiml_app_sid": "demo-voice-twiml-app-sid"
  }',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, created_at, updated_at
) VALUES (
  13, 1, 'Channel::Voice', 113, 'Shop telephone', 'America/New_York',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 21, of the second account: a web widget that is mostly left as leadchat makes it.

INSERT INTO channel_web_widgets (
  id, account_id, website_url, website_token, welcome_title, welcome_tagline, reply_time, hmac_token,
  pre_chat_form_options, created_at, updated_at
) VALUES (
  121, 2, 'https://harbourbikes.example', 'demo-website-token-21', 'Ahoy!', 'Rentals, repairs and routes.', 1,
  'demo-widget-hmac-token-21',
  '{
    "pre_chat_message": "Share your queries or comments here.",
    "pre_chat_fields": [
      {"field_type": "standard", "label": "Email Id", "name": "emailAddress",
        "type": "email", "required": true, "enabled": false},
      {"field_type": "standard", "label": "Full name", "name": "fullName",
        "type": "text", "required": false, "enabled": false},
      {"field_type": "standard", "label": "Phone number", "name": "phoneNumber",
        "type": "text", "required": false, "enabled": false}
    ]
  }',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, created_at, updated_at
) VALUES (
  21, 2, 'Channel::WebWidget', 121, 'Rental desk', 'America/Halifax',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 22, of the second account: a WhatsApp number at 360dialog. Its templates were never synchronised.

INSERT INTO channel_whatsapp (id, account_id, phone_number, provider, provider_config, created_at, updated_at) VALUES (
  122, 2, '+15555550122', 'default', '{"api_key": "demo-360dialog-api-key"}',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, created_at, updated_at
) VALUES (
  22, 2, 'Channel::Whatsapp', 122, 'Repairs on WhatsApp', 'America/Halifax',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 23, of the second account: the Facebook page of inbox 4, connected here as well.

INSERT INTO channel_facebook_pages (
  id, account_id, page_id, user_access_token, page_access_token, created_at, updated_at
) VALUES (
  123, 2, '555000000000104', 'demo-facebook-user-token-23', 'demo-facebook-page-token-23',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, created_at, updated_at
) VALUES (
  23, 2, 'Channel::FacebookPage', 123, 'Shared page', 'America/Halifax',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 24, of the second account: an email address whose password is encrypted as Rails does it. It stands for no text:
-- there never was a key.

INSERT INTO channel_email (
  id, account_id, email, forward_to_email,
  smtp_enabled, smtp_address, smtp_port, smtp_login, smtp_password, smtp_domain, smtp_authentication,
  smtp_openssl_verify_mode, created_at, updated_at
) VALUES (
  124, 2, 'ahoy@harbourbikes.example', 'demo-forwarding-24@inbound.leadchat.example',
  TRUE, 'smtp.mail.example', 587, 'ahoy@harbourbikes.example',
  '{"p": "ZGVtbw==", "h": {"iv": "ZGVtbw==", "at": "ZGVtbw=="}}', 'harbourbikes.example', 'plain', 'peer',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, created_at, updated_at
) VALUES (
  24, 2, 'Channel::Email', 124, 'Bookings', 'America/Halifax',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Inbox 31, of the suspended account: the same Facebook page once more.

INSERT INTO channel_facebook_pages (
  id, account_id, page_id, user_access_token, page_access_token, created_at, updated_at
) VALUES (
  131, 3, '555000000000104', 'demo-facebook-user-token-31', 'demo-facebook-page-token-31',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

INSERT INTO inboxes (
  id, account_id, channel_type, channel_id, name, timezone, created_at, updated_at
) VALUES (
  31, 3, 'Channel::FacebookPage', 131, 'Facebook', 'America/Halifax',
  '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'
);

-- Members: Ben sees three inboxes; Cleo, in account 1, none.

INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at) VALUES
  (2, 1, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (2, 3, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (2, 7, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 1, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 2, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 3, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 4, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 5, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 6, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 7, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 8, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 9, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 10, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 11, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 12, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 13, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000');

-- Where the agent bots are active (status 0).

INSERT INTO agent_bot_inboxes (inbox_id, agent_bot_id, account_id, status, created_at, updated_at) VALUES
  (1, 1, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (1, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (2, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (3, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (4, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (5, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (6, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (7, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (8, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (9, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (10, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (11, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (12, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (13, 2, 1, 0, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000');

-- Working hours of inboxes 1 and 3, from Sunday (0) to Saturday (6).

INSERT INTO working_hours (
  inbox_id, account_id, day_of_week, closed_all_day, open_hour, open_minutes, close_hour, close_minutes, open_all_day,
  created_at, updated_at
) VALUES
  (1, 1, 0, TRUE, NULL, NULL, NULL, NULL, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (1, 1, 1, FALSE, 9, 0, 17, 0, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (1, 1, 2, FALSE, 9, 0, 17, 0, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (1, 1, 3, FALSE, 9, 0, 17, 0, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (1, 1, 4, FALSE, 9, 0, 20, 30, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (1, 1, 5, FALSE, 9, 0, 17, 0, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (1, 1, 6, FALSE, 10, 0, 14, 0, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (3, 1, 0, TRUE, NULL, NULL, NULL, NULL, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (3, 1, 1, FALSE, 8, 30, 18, 0, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (3, 1, 2, FALSE, 8, 30, 18, 0, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (3, 1, 3, FALSE, 8, 30, 18, 0, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (3, 1, 4, FALSE, 8, 30, 18, 0, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (3, 1, 5, FALSE, 8, 30, 18, 0, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000'),
  (3, 1, 6, TRUE, NULL, NULL, NULL, NULL, FALSE, '2026-01-05 09:00:00.000000', '2026-01-05 09:00:00.000000');
