//! One row struct a table, used by both databases.
//!
//! A struct's fields are the columns that are read, and nothing else is: a token that no
//! viewer sees is no field here. Where something derived depends on such a column, SQL
//! evaluates it (`computed`) and only the outcome is read. A field is [`Stored`] if its
//! column may hold NULL or, on SQLite, any value. It is [`Encrypted`] if leadchat may
//! encrypt it, and an `Option` if tables of older leadchat versions lack it. Columns in
//! brackets are keys: they are read of a row that is not decoded, and are no fields.

use secrecy::SecretString;
use sqlx::{FromRow, postgres::PgRow, sqlite::SqliteRow};

use super::{
    columns::{Column, Columns, Field, Source, Stored},
    computed::{
        API_KEY_SID, HAS_API_KEY_SECRET, INBOUND_CALLS_ENABLED, PROVIDER_CONFIG_IS_EMPTY,
        VOICE_FEATURE_ENABLED,
    },
};
use crate::leadchat::encryption::Encrypted;

macro_rules! rows {
    ($(
        $(#[$doc:meta])*
        $name:ident $([$($key:ident: $key_type:ty),*])? {
            $($field:ident: $type:ty $(= $source:expr)?),* $(,)?
        }
    )*) => {$(
        $(#[$doc])*
        pub(in crate::store) struct $name {
            $(pub $field: $type,)*
        }

        impl FromRow<'_, PgRow> for $name {
            fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
                Ok(Self {$($field: Field::postgres(row, stringify!($field))?,)*})
            }
        }

        impl FromRow<'_, SqliteRow> for $name {
            fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
                Ok(Self {$($field: Field::sqlite(row, stringify!($field))?,)*})
            }
        }

        impl Columns for $name {
            const COLUMNS: &'static [Column] = &[
                $($(Column {
                    name: stringify!($key),
                    r#type: <$key_type as Field>::TYPE,
                    source: Source::Same,
                    optional: false,
                },)*)?
                $(Column {
                    name: stringify!($field),
                    r#type: <$type as Field>::TYPE,
                    source: rows!(@source $($source)?),
                    optional: <$type as Field>::OPTIONAL,
                },)*
            ];
        }
    )*};
    (@source) => { Source::Same };
    (@source $source:expr) => { $source };
}

rows! {
    /// A required column of an existing table: its number, if it exists, and the user's
    /// rights. Also whether row-level security applies to the user.
    OfferedRow {
        table_name: Stored<String>,
        column_name: Stored<String>,
        column_count: Stored<i64>,
        number: Stored<i64>,
        granted: Stored<bool>,
        secured: Stored<bool>,
    }

    /// SQLite's count of the changes of its schema.
    SchemaVersionRow {
        version: i64,
    }

    /// Whether the tables are those that a read was planned for.
    PlanCurrentRow {
        plan_is_current: Stored<bool>,
    }

    /// Whether the server is a hot standby.
    StandbyRow {
        standby: Stored<bool>,
    }

    /// Facts that a database reports about itself and this user.
    ServerRow {
        version: Stored<String>,
        user_name: Stored<String>,
        standby: Stored<bool>,
        read_only: Stored<bool>,
    }

    /// A number that was asked for, if there is one.
    NumberRow {
        number: Stored<i64>,
    }

    /// A text that leadchat may have encrypted.
    SampleRow {
        sample: Stored<Encrypted>,
    }

    /// The id of an account.
    AccountIdRow {
        id: i64,
    }

    /// `accounts`.
    AccountRow {
        id: i64,
        status: Stored<i64>,
    }

    /// An inbox whose channel has an address that was looked for. `stored_text` is
    /// the address as stored, where it must be compared again.
    FoundRow {
        channel_type: Stored<String>,
        inbox_id: i64 = Source::Expression("i.id"),
        account_id: Stored<i64> = Source::Expression("i.account_id"),
        stored_text: Stored<String>,
    }

    /// `account_users`.
    AccountUserRow {
        user_id: Stored<i64>,
        role: Stored<i64>,
    }

    /// `inbox_members`.
    InboxMemberRow {
        user_id: Stored<i64>,
        inbox_id: i64,
    }

    /// `agent_bots`.
    AgentBotRow {
        id: i64,
    }

    /// `agent_bot_inboxes`.
    AgentBotInboxRow {
        agent_bot_id: Stored<i64>,
        inbox_id: i64,
    }

    /// `inboxes`, each with the portal it is linked to.
    InboxRow {
        id: i64 = Source::Expression("i.id"),
        account_id: i64 = Source::Expression("i.account_id"),
        channel_id: Stored<i64> = Source::Expression("i.channel_id"),
        channel_type: Stored<String> = Source::Expression("i.channel_type"),
        name: Stored<String> = Source::Expression("i.name"),
        greeting_enabled: Stored<bool> = Source::Expression("i.greeting_enabled"),
        greeting_message: Stored<String> = Source::Expression("i.greeting_message"),
        working_hours_enabled: Stored<bool> = Source::Expression("i.working_hours_enabled"),
        enable_email_collect: Stored<bool> = Source::Expression("i.enable_email_collect"),
        csat_survey_enabled: Stored<bool> = Source::Expression("i.csat_survey_enabled"),
        csat_config: Stored<String> = Source::Expression("i.csat_config"),
        enable_auto_assignment: Stored<bool> = Source::Expression("i.enable_auto_assignment"),
        auto_assignment_config: Stored<String> = Source::Expression("i.auto_assignment_config"),
        out_of_office_message: Stored<String> = Source::Expression("i.out_of_office_message"),
        timezone: Stored<String> = Source::Expression("i.timezone"),
        allow_messages_after_resolved: Stored<bool> =
            Source::Expression("i.allow_messages_after_resolved"),
        lock_to_single_conversation: Stored<bool> =
            Source::Expression("i.lock_to_single_conversation"),
        sender_name_type: Stored<i64> = Source::Expression("i.sender_name_type"),
        business_name: Stored<String> = Source::Expression("i.business_name"),
        portal_name: Stored<String> = Source::Expression("p.name"),
        portal_slug: Stored<String> = Source::Expression("p.slug"),
    }

    /// `working_hours`.
    WorkingHoursRow [inbox_id: i64] {
        day_of_week: Stored<i64>,
        closed_all_day: Stored<bool>,
        open_hour: Stored<i64>,
        open_minutes: Stored<i64>,
        close_hour: Stored<i64>,
        close_minutes: Stored<i64>,
        open_all_day: Stored<bool>,
    }

    /// `active_storage_attachments` that are avatars, each with its blob.
    AvatarRow [record_id: i64] {
        blob_id: i64 = Source::Expression("b.id"),
        content_type: Stored<String> = Source::Expression("b.content_type"),
        filename: Stored<String> = Source::Expression("b.filename"),
    }

    /// `channel_reauthorizations`, our own table.
    ReauthorizationRow [channel_type: Stored<String>, channel_id: Stored<i64>] {
        required: Stored<bool>,
    }

    /// `channel_web_widgets`.
    WebWidgetRow [id: i64] {
        website_url: Stored<String>,
        website_token: Stored<String>,
        widget_color: Stored<String>,
        welcome_title: Stored<String>,
        welcome_tagline: Stored<String>,
        feature_flags: Stored<i64>,
        reply_time: Stored<i64>,
        hmac_token: Stored<SecretString>,
        pre_chat_form_enabled: Stored<bool>,
        pre_chat_form_options: Stored<String>,
        hmac_mandatory: Stored<bool>,
        continuity_via_email: Stored<bool>,
        allowed_domains: Stored<String>,
    }

    /// `channel_api`.
    ApiRow [id: i64] {
        secret: Option<Stored<Encrypted>>,
        webhook_url: Stored<String>,
        identifier: Stored<String>,
        hmac_token: Stored<SecretString>,
        hmac_mandatory: Stored<bool>,
        additional_attributes: Stored<String>,
    }

    /// `channel_email`. Its `provider_config` holds OAuth tokens and is not
    /// read.
    EmailRow {
        id: i64,
        email: Stored<String>,
        forward_to_email: Stored<String>,
        imap_enabled: Stored<bool>,
        imap_address: Stored<String>,
        imap_port: Stored<i64>,
        imap_login: Stored<String>,
        imap_password: Stored<Encrypted>,
        imap_enable_ssl: Stored<bool>,
        imap_authentication: Option<Stored<String>>,
        smtp_enabled: Stored<bool>,
        smtp_address: Stored<String>,
        smtp_port: Stored<i64>,
        smtp_login: Stored<String>,
        smtp_password: Stored<Encrypted>,
        smtp_domain: Stored<String>,
        smtp_enable_starttls_auto: Stored<bool>,
        smtp_authentication: Stored<String>,
        smtp_openssl_verify_mode: Stored<String>,
        smtp_enable_ssl_tls: Stored<bool>,
        provider: Stored<String>,
        provider_config_is_empty: Stored<bool> = PROVIDER_CONFIG_IS_EMPTY,
    }

    /// `channel_facebook_pages`.
    FacebookPageRow {
        id: i64,
        page_id: Stored<String>,
        instagram_id: Stored<String>,
    }

    /// `channel_instagram`.
    InstagramRow {
        id: i64,
        instagram_id: Stored<String>,
    }

    /// `channel_tiktok`.
    TiktokRow {
        id: i64,
    }

    /// `channel_twilio_sms`. Its `provider_config` is not read, nor its
    /// `api_key_secret`.
    TwilioSmsRow [id: i64] {
        phone_number: Stored<String>,
        auth_token: Stored<Encrypted>,
        account_sid: Stored<SecretString>,
        medium: Stored<i64>,
        messaging_service_sid: Stored<String>,
        content_templates: Stored<String>,
        api_key_sid: Option<Stored<SecretString>> = API_KEY_SID,
        has_api_key_secret: Option<Stored<bool>> = HAS_API_KEY_SECRET,
        voice_enabled: Option<Stored<bool>>,
        twiml_app_sid: Option<Stored<String>>,
        inbound_calls_enabled: Option<Stored<bool>> = INBOUND_CALLS_ENABLED,
    }

    /// `channel_twitter_profiles`.
    TwitterProfileRow [id: i64] {
        tweets_enabled: Stored<bool>,
    }

    /// `channel_telegram`.
    TelegramRow [id: i64] {
        bot_name: Stored<String>,
    }

    /// `channel_line`.
    LineRow [id: i64] {
        line_channel_id: Stored<String>,
    }

    /// `channel_sms`.
    SmsRow [id: i64] {
        phone_number: Stored<String>,
        provider: Stored<String>,
    }

    /// `channel_whatsapp`.
    WhatsappRow {
        id: i64,
        phone_number: Stored<String>,
        provider: Stored<String>,
        provider_config: Stored<SecretString>,
        message_templates: Stored<String>,
        voice_feature_enabled: Option<Stored<bool>> = VOICE_FEATURE_ENABLED,
    }

    /// `channel_voice`.
    VoiceRow [id: i64] {
        phone_number: Stored<String>,
        provider: Stored<String>,
    }
}

/// A row of the table of a channel's kind.
pub(in crate::store) enum ChannelRow {
    WebWidget(WebWidgetRow),
    Api(ApiRow),
    Email(Box<EmailRow>),
    FacebookPage(FacebookPageRow),
    Instagram(InstagramRow),
    Tiktok(TiktokRow),
    TwilioSms(TwilioSmsRow),
    TwitterProfile(TwitterProfileRow),
    Telegram(TelegramRow),
    Line(LineRow),
    Sms(SmsRow),
    Whatsapp(WhatsappRow),
    Voice(VoiceRow),
}
