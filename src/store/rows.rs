//! One row struct a table, used by both databases.
//!
//! A struct's fields are the columns that are read, and nothing else is: a
//! token that no viewer sees is no field here. Where something derived depends
//! on such a column, SQL evaluates it and only the outcome is read. Fields are
//! `Option`s wherever the column may be NULL.

use secrecy::SecretString;
use sqlx::{FromRow, postgres::PgRow, sqlite::SqliteRow};

use super::columns::{Column, Columns, Field, Readable, Source};
use crate::domain::channel::ChannelKind;

macro_rules! rows {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty $(= $source:expr)?),* $(,)? })*) => {$(
        $(#[$doc])*
        pub(super) struct $name {
            $(pub $field: $type,)*
        }

        impl FromRow<'_, PgRow> for $name {
            fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
                Ok(Self {$($field: {
                    let column = stringify!($field);
                    Field::from_value(<$type as Field>::Value::postgres(row, column)?, column)?
                },)*})
            }
        }

        impl FromRow<'_, SqliteRow> for $name {
            fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
                Ok(Self {$($field: {
                    let column = stringify!($field);
                    Field::from_value(<$type as Field>::Value::sqlite(row, column)?, column)?
                },)*})
            }
        }

        impl Columns for $name {
            const COLUMNS: &'static [Column] = &[
                $(Column {
                    name: stringify!($field),
                    r#type: <<$type as Field>::Value as Readable>::TYPE,
                    required: <$type as Field>::REQUIRED,
                    source: rows!(@source $($source)?),
                },)*
            ];
        }
    )*};
    (@source) => { Source::Same };
    (@source $source:expr) => { $source };
}

/// Rails takes `provider_config.empty?`, which raises for anything but an
/// object, a list or a text: NULL here. It reads what is nested more than 100
/// deep as null.
const PROVIDER_CONFIG_IS_EMPTY: Source = Source::PerDialect {
    postgres: r#"CASE
        WHEN jsonb_path_exists(t.provider_config,
            'strict $.**{100} ? (@.type() == "object" || @.type() == "array")') THEN NULL
        WHEN jsonb_typeof(t.provider_config) IN ('object', 'array', 'string')
            THEN t.provider_config IN ('{}', '[]', '""')
    END"#,
    sqlite: "CASE WHEN json_valid(t.provider_config) THEN CASE
        WHEN (WITH RECURSIVE nested(container, depth) AS (
                SELECT t.provider_config, 1
                UNION ALL
                SELECT e.value, depth + 1 FROM nested, json_each(nested.container) e
                WHERE e.type IN ('object', 'array') AND depth <= 100
            ) SELECT max(depth) FROM nested) > 100 THEN NULL
        WHEN json_type(t.provider_config) IN ('object', 'array')
            THEN NOT EXISTS (SELECT 1 FROM json_each(t.provider_config))
        WHEN json_type(t.provider_config) = 'text'
            THEN json_extract(t.provider_config, '$') = ''
    END END",
};

rows! {
    /// `accounts`.
    AccountRow {
        id: i64,
        status: Option<i64>,
    }

    /// An inbox whose channel has an address that was looked for. `spelled` is
    /// the address as stored, where it must be compared again.
    FoundRow {
        inbox_id: i64 = Source::Expression("i.id"),
        account_id: i64 = Source::Expression("i.account_id"),
        spelled: Option<String>,
    }

    /// `account_users`.
    AccountUserRow {
        user_id: Option<i64>,
        role: Option<i64>,
    }

    /// `inbox_members`.
    InboxMemberRow {
        user_id: i64,
        inbox_id: i64,
    }

    /// `agent_bots`.
    AgentBotRow {
        id: i64,
    }

    /// `agent_bot_inboxes`.
    AgentBotInboxRow {
        agent_bot_id: i64,
        inbox_id: i64,
    }

    /// `inboxes`, each with the portal it is linked to.
    InboxRow {
        id: i64 = Source::Expression("i.id"),
        account_id: i64 = Source::Expression("i.account_id"),
        channel_id: i64 = Source::Expression("i.channel_id"),
        channel_type: Option<String> = Source::Expression("i.channel_type"),
        name: String = Source::Expression("i.name"),
        greeting_enabled: Option<bool> = Source::Expression("i.greeting_enabled"),
        greeting_message: Option<String> = Source::Expression("i.greeting_message"),
        working_hours_enabled: Option<bool> = Source::Expression("i.working_hours_enabled"),
        enable_email_collect: Option<bool> = Source::Expression("i.enable_email_collect"),
        csat_survey_enabled: Option<bool> = Source::Expression("i.csat_survey_enabled"),
        csat_config: Option<String> = Source::Expression("i.csat_config"),
        enable_auto_assignment: Option<bool> = Source::Expression("i.enable_auto_assignment"),
        auto_assignment_config: Option<String> = Source::Expression("i.auto_assignment_config"),
        out_of_office_message: Option<String> = Source::Expression("i.out_of_office_message"),
        timezone: Option<String> = Source::Expression("i.timezone"),
        allow_messages_after_resolved: Option<bool> =
            Source::Expression("i.allow_messages_after_resolved"),
        lock_to_single_conversation: Option<bool> =
            Source::Expression("i.lock_to_single_conversation"),
        sender_name_type: Option<i64> = Source::Expression("i.sender_name_type"),
        business_name: Option<String> = Source::Expression("i.business_name"),
        portal_name: Option<String> = Source::Expression("p.name"),
        portal_slug: Option<String> = Source::Expression("p.slug"),
    }

    /// `working_hours`.
    WorkingHoursRow {
        inbox_id: Option<i64>,
        day_of_week: Option<i64>,
        closed_all_day: Option<bool>,
        open_hour: Option<i64>,
        open_minutes: Option<i64>,
        close_hour: Option<i64>,
        close_minutes: Option<i64>,
        open_all_day: Option<bool>,
    }

    /// `active_storage_attachments` that are avatars, each with its blob.
    AvatarRow {
        record_id: i64,
        content_type: Option<String> = Source::Expression("b.content_type"),
    }

    /// `channel_reauthorizations`, our own table.
    ReauthorizationRow {
        channel_type: String,
        channel_id: i64,
    }

    /// `channel_web_widgets`.
    WebWidgetRow {
        id: i64,
        website_url: Option<String>,
        website_token: Option<String>,
        widget_color: Option<String>,
        welcome_title: Option<String>,
        welcome_tagline: Option<String>,
        feature_flags: Option<i64>,
        reply_time: Option<i64>,
        hmac_token: Option<SecretString>,
        pre_chat_form_enabled: Option<bool>,
        pre_chat_form_options: Option<String>,
        hmac_mandatory: Option<bool>,
        continuity_via_email: Option<bool>,
        allowed_domains: Option<String>,
    }

    /// `channel_api`.
    ApiRow {
        id: i64,
        webhook_url: Option<String>,
        identifier: Option<String>,
        hmac_token: Option<SecretString>,
        hmac_mandatory: Option<bool>,
        additional_attributes: Option<String>,
    }

    /// `channel_email`. Its `provider_config` holds OAuth tokens and is not
    /// read.
    EmailRow {
        id: i64,
        email: Option<String>,
        forward_to_email: Option<String>,
        imap_enabled: Option<bool>,
        imap_address: Option<String>,
        imap_port: Option<i64>,
        imap_login: Option<String>,
        imap_password: Option<SecretString>,
        imap_enable_ssl: Option<bool>,
        smtp_enabled: Option<bool>,
        smtp_address: Option<String>,
        smtp_port: Option<i64>,
        smtp_login: Option<String>,
        smtp_password: Option<SecretString>,
        smtp_domain: Option<String>,
        smtp_enable_starttls_auto: Option<bool>,
        smtp_authentication: Option<String>,
        smtp_openssl_verify_mode: Option<String>,
        smtp_enable_ssl_tls: Option<bool>,
        provider: Option<String>,
        provider_config_is_empty: Option<bool> = PROVIDER_CONFIG_IS_EMPTY,
    }

    /// `channel_facebook_pages`.
    FacebookPageRow {
        id: i64,
        page_id: Option<String>,
        instagram_id: Option<String>,
    }

    /// `channel_instagram`.
    InstagramRow {
        id: i64,
        instagram_id: Option<String>,
    }

    /// `channel_tiktok`.
    TiktokRow {
        id: i64,
    }

    /// `channel_twilio_sms`.
    TwilioSmsRow {
        id: i64,
        phone_number: Option<String>,
        auth_token: Option<SecretString>,
        account_sid: Option<SecretString>,
        medium: Option<i64>,
        messaging_service_sid: Option<String>,
        content_templates: Option<String>,
    }

    /// `channel_twitter_profiles`.
    TwitterProfileRow {
        id: i64,
        tweets_enabled: Option<bool>,
    }

    /// `channel_telegram`.
    TelegramRow {
        id: i64,
        bot_name: Option<String>,
    }

    /// `channel_line`.
    LineRow {
        id: i64,
        line_channel_id: Option<String>,
    }

    /// `channel_sms`.
    SmsRow {
        id: i64,
        phone_number: Option<String>,
        provider: Option<String>,
    }

    /// `channel_whatsapp`.
    WhatsappRow {
        id: i64,
        phone_number: Option<String>,
        provider: Option<String>,
        provider_config: Option<SecretString>,
        message_templates: Option<String>,
    }

    /// `channel_voice`.
    VoiceRow {
        id: i64,
        phone_number: Option<String>,
        provider: Option<String>,
    }
}

/// The table of a kind of channel, and what is read of it.
pub(super) const fn channel_table(kind: ChannelKind) -> (&'static str, &'static [Column]) {
    match kind {
        ChannelKind::WebWidget => ("channel_web_widgets", WebWidgetRow::COLUMNS),
        ChannelKind::Api => ("channel_api", ApiRow::COLUMNS),
        ChannelKind::Email => ("channel_email", EmailRow::COLUMNS),
        ChannelKind::FacebookPage => ("channel_facebook_pages", FacebookPageRow::COLUMNS),
        ChannelKind::Instagram => ("channel_instagram", InstagramRow::COLUMNS),
        ChannelKind::Tiktok => ("channel_tiktok", TiktokRow::COLUMNS),
        ChannelKind::TwilioSms => ("channel_twilio_sms", TwilioSmsRow::COLUMNS),
        ChannelKind::TwitterProfile => ("channel_twitter_profiles", TwitterProfileRow::COLUMNS),
        ChannelKind::Telegram => ("channel_telegram", TelegramRow::COLUMNS),
        ChannelKind::Line => ("channel_line", LineRow::COLUMNS),
        ChannelKind::Sms => ("channel_sms", SmsRow::COLUMNS),
        ChannelKind::Whatsapp => ("channel_whatsapp", WhatsappRow::COLUMNS),
        ChannelKind::Voice => ("channel_voice", VoiceRow::COLUMNS),
    }
}
