//! Each sealed column is changed in turn. An agent's bytes of every RPC stay
//! equal, tags and degradations included; an administrator's differ.

pub(super) mod answers;

use std::collections::BTreeSet;

use super::{ADMINISTRATOR, AGENT, AGENT_BOT, SERVICE, filled, sealed_fields};
use crate::support::{
    Backend, Client, Program, get_inbox, golden,
    program::Server,
    watch::{summary, watch},
};
use answers::{answers, explained};

/// The field of the contract, the inbox, and what changes it.
const CHANGES: &[(&str, i64, &str)] = &[
    (
        "web_widget.hmac_token",
        1,
        "UPDATE channel_web_widgets SET hmac_token = 'other' WHERE id = 1",
    ),
    (
        "web_widget.hmac_token",
        1,
        "UPDATE channel_web_widgets SET hmac_token = NULL WHERE id = 1",
    ),
    (
        "api.hmac_token",
        191,
        "UPDATE channel_api SET hmac_token = 'other' WHERE id = 191",
    ),
    (
        "api.secret",
        191,
        "UPDATE channel_api SET secret = 'other' WHERE id = 191",
    ),
    (
        "email.imap.login",
        165,
        "UPDATE channel_email SET imap_login = 'other' WHERE id = 165",
    ),
    (
        "email.imap.password",
        165,
        "UPDATE channel_email SET imap_password = 'other' WHERE id = 165",
    ),
    (
        "email.imap.address",
        165,
        "UPDATE channel_email SET imap_address = 'other' WHERE id = 165",
    ),
    (
        "email.imap.port",
        165,
        "UPDATE channel_email SET imap_port = 12345 WHERE id = 165",
    ),
    (
        "email.imap.enabled",
        165,
        "UPDATE channel_email SET imap_enabled = NOT imap_enabled WHERE id = 165",
    ),
    (
        "email.imap.enable_ssl",
        165,
        "UPDATE channel_email SET imap_enable_ssl = NOT imap_enable_ssl WHERE id = 165",
    ),
    (
        "email.imap.authentication",
        165,
        "UPDATE channel_email SET imap_authentication = 'other' WHERE id = 165",
    ),
    (
        "email.smtp.login",
        165,
        "UPDATE channel_email SET smtp_login = 'other' WHERE id = 165",
    ),
    (
        "email.smtp.password",
        165,
        "UPDATE channel_email SET smtp_password = 'other' WHERE id = 165",
    ),
    (
        "email.smtp.address",
        165,
        "UPDATE channel_email SET smtp_address = 'other' WHERE id = 165",
    ),
    (
        "email.smtp.port",
        165,
        "UPDATE channel_email SET smtp_port = 12345 WHERE id = 165",
    ),
    (
        "email.smtp.enabled",
        165,
        "UPDATE channel_email SET smtp_enabled = NOT smtp_enabled WHERE id = 165",
    ),
    (
        "email.smtp.domain",
        165,
        "UPDATE channel_email SET smtp_domain = 'other' WHERE id = 165",
    ),
    (
        "email.smtp.enable_ssl_tls",
        165,
        "UPDATE channel_email SET smtp_enable_ssl_tls = NOT smtp_enable_ssl_tls WHERE id = 165",
    ),
    (
        "email.smtp.enable_starttls_auto",
        165,
        "UPDATE channel_email SET smtp_enable_starttls_auto = NOT smtp_enable_starttls_auto WHERE id = 165",
    ),
    (
        "email.smtp.openssl_verify_mode",
        165,
        "UPDATE channel_email SET smtp_openssl_verify_mode = 'other' WHERE id = 165",
    ),
    (
        "email.smtp.authentication",
        165,
        "UPDATE channel_email SET smtp_authentication = 'other' WHERE id = 165",
    ),
    (
        "email.reauthorization",
        165,
        "INSERT INTO channel_reauthorizations (channel_type, channel_id, required) VALUES ('Channel::Email', 165, true)",
    ),
    (
        "email.reauthorization",
        168,
        "UPDATE channel_email SET provider_config = '{}' WHERE id = 168",
    ),
    (
        "twilio_sms.auth_token",
        142,
        "UPDATE channel_twilio_sms SET auth_token = 'other' WHERE id = 142",
    ),
    (
        "twilio_sms.account_sid",
        142,
        "UPDATE channel_twilio_sms SET account_sid = 'other' WHERE id = 142",
    ),
    (
        "twilio_sms.api_key_sid",
        142,
        "UPDATE channel_twilio_sms SET api_key_sid = 'other' WHERE id = 142",
    ),
    (
        "whatsapp.provider_config",
        232,
        r#"UPDATE channel_whatsapp SET provider_config = '{"api_key": "other"}' WHERE id = 232"#,
    ),
    // Degradations of sealed fields are sealed.
    (
        "api.secret",
        191,
        r#"UPDATE channel_api SET secret = '{"p":"","h":{"iv":"","at":""}}' WHERE id = 191"#,
    ),
    (
        "email.imap.password",
        165,
        r#"UPDATE channel_email SET imap_password = '{"p":"","h":{"iv":"","at":""}}' WHERE id = 165"#,
    ),
    (
        "email.smtp.password",
        165,
        r#"UPDATE channel_email SET smtp_password = '{"p":"","h":{"iv":"","at":""}}' WHERE id = 165"#,
    ),
    (
        "twilio_sms.auth_token",
        142,
        r#"UPDATE channel_twilio_sms SET auth_token = '{"p":"","h":{"iv":"","at":""}}' WHERE id = 142"#,
    ),
    (
        "email.reauthorization",
        165,
        "UPDATE channel_email SET provider_config = '7' WHERE id = 165",
    ),
    (
        "whatsapp.provider_config",
        232,
        r#"UPDATE channel_whatsapp SET provider_config = '{"big": 9007199254740993}' WHERE id = 232"#,
    ),
];

/// Columns that nobody sees: a change of these changes nothing for anyone.
const UNSEEN: &[(i64, &str)] = &[
    (
        101,
        "UPDATE channel_facebook_pages SET page_access_token = 'other', user_access_token = 'other' WHERE id = 101",
    ),
    (
        111,
        "UPDATE channel_instagram SET access_token = 'other', expires_at = '2030-01-01' WHERE id = 111",
    ),
    (
        121,
        "UPDATE channel_tiktok SET access_token = 'other', refresh_token = 'other', business_id = 'other' WHERE id = 121",
    ),
    (
        131,
        "UPDATE channel_twitter_profiles SET twitter_access_token = 'other', twitter_access_token_secret = 'other' WHERE id = 131",
    ),
    (
        142,
        r#"UPDATE channel_twilio_sms SET api_key_secret = 'other', twiml_app_sid = 'other',
            provider_config = '{"token": "other"}' WHERE id = 142"#,
    ),
    (
        166,
        r#"UPDATE channel_email SET provider_config = '{"access_token": "other"}', verified_for_sending = true WHERE id = 166"#,
    ),
    (
        201,
        "UPDATE channel_telegram SET bot_token = 'other' WHERE id = 201",
    ),
    (
        211,
        "UPDATE channel_line SET line_channel_secret = 'other', line_channel_token = 'other' WHERE id = 211",
    ),
    (
        221,
        r#"UPDATE channel_sms SET provider_config = '{"api_key": "other"}' WHERE id = 221"#,
    ),
    (
        241,
        r#"UPDATE channel_voice SET provider_config = '{"api_key": "other"}', additional_attributes = '{"other": 1}' WHERE id = 241"#,
    ),
];

pub(super) async fn agents_bytes_stay_equal_when_a_sealed_column_changes(backend: Backend) {
    let changed: BTreeSet<_> = CHANGES
        .iter()
        .map(|(field, ..)| (*field).to_owned())
        .collect();
    assert_eq!(changed, sealed_fields(), "a change for each sealed field");

    let database = filled(backend).await;
    let server = Program::caching(&database).with_keys().start();
    let client = server.client().await.asking_twice();
    let mut last = None;
    for (field, inbox, sql) in CHANGES {
        // The changes of an inbox follow each other.
        let before = match last {
            Some((id, seen)) if id == inbox => seen,
            _ => Seen::look(&server, &client, *inbox).await,
        };
        database.execute(sql).await;
        let after = Seen::look(&server, &client, *inbox).await;
        assert!(
            before.others == after.others,
            "{field}: others notice: {sql}"
        );
        for (before, after) in before.administrator.iter().zip(&after.administrator) {
            assert!(
                before != after,
                "{field}: an administrator does not notice: {sql}"
            );
        }
        last = Some((inbox, after));
    }
    for (inbox, sql) in UNSEEN {
        let before = Seen::look(&server, &client, *inbox).await;
        database.execute(sql).await;
        let after = Seen::look(&server, &client, *inbox).await;
        assert!(before.others == after.others, "others notice: {sql}");
        assert!(
            before.administrator == after.administrator,
            "an administrator notices: {sql}"
        );
    }
}

/// Each change is an event of an administrator's watch. Those of others are silent, while they
/// are open: there is no event, and no end of a batch either.
pub(super) async fn open_watches_say_nothing_of_a_sealed_column(backend: Backend) {
    let database = filled(backend).await;
    let server = Program::serving(&database)
        .with_keys()
        .env("MAX_STALENESS", "0.05")
        .start();
    let client = server.client().await;
    let open = async |viewer| {
        let mut opened = client.watch(watch(viewer)).await.unwrap();
        opened.batch().await.unwrap();
        opened
    };
    let mut others = Vec::new();
    for viewer in [AGENT, AGENT_BOT, SERVICE] {
        others.push(open(viewer).await);
    }
    let mut administrator = open(ADMINISTRATOR).await;
    for (field, inbox, sql) in CHANGES {
        database.execute(sql).await;
        let batch = administrator.batch().await.unwrap();
        assert_eq!(summary(&batch), [format!("+{inbox}")], "{field}: {sql}");
    }
    for (_, sql) in UNSEEN {
        database.execute(sql).await;
    }
    // The next event of all of them is that of a change that they all see.
    let inbox = others[0].held.keys().next().copied().unwrap();
    let rename = format!("UPDATE inboxes SET name = 'at last' WHERE id = {inbox}");
    database.execute(&rename).await;
    for opened in others.iter_mut().chain([&mut administrator]) {
        let next = opened.next().await.unwrap();
        assert_eq!(summary(&[next]), [format!("+{inbox}")]);
        assert_eq!(opened.held[&inbox].name, "at last");
    }
}

/// Columns that leadchat encrypts, and an inbox that shows each.
const ENCRYPTED: [(&str, &str, i64); 3] = [
    ("channel_email", "imap_password", 165),
    ("channel_email", "smtp_password", 165),
    ("channel_twilio_sms", "auth_token", 142),
];

/// The content of an envelope counts: administrators alone notice another text in it, and
/// another envelope of the same text changes nothing.
pub(super) async fn encrypted_values_are_disclosed_as_plain_ones(backend: Backend) {
    let database = filled(backend).await;
    let server = Program::caching(&database).with_keys().start();
    let client = server.client().await.asking_twice();
    // Rails stored each text twice, in envelopes that differ.
    let envelopes = |case: &str| -> Vec<String> {
        let all = golden::encryption().encrypt.into_iter();
        let of_case = all.filter(|it| it.case == case && it.table == "channel_email");
        of_case.map(|it| it.ciphertext).collect()
    };
    let [upper, json] = ["upper", "json_like"].map(envelopes);
    assert!(upper[0] != upper[1] && upper.len() == 2);
    for (table, column, inbox) in ENCRYPTED {
        let mut seen = Seen::look(&server, &client, inbox).await;
        for (stored, is_noticed) in [
            (&upper[0], true),
            (&upper[1], false),
            (&json[0], true),
            // As leadchat stored it before there were keys.
            (&r#"{"p":"x"}"#.to_owned(), false),
            (&"MiXeD".to_owned(), true),
            (&upper[0], false),
        ] {
            let sql = format!("UPDATE {table} SET {column} = '{stored}' WHERE id = {inbox}");
            database.execute(&sql).await;
            let after = Seen::look(&server, &client, inbox).await;
            assert!(seen.others == after.others, "others notice: {sql}");
            for (before, after) in seen.administrator.iter().zip(&after.administrator) {
                assert_eq!(before != after, is_noticed, "an administrator: {sql}");
            }
            seen = after;
        }
    }
}

/// The bytes of every RPC's answers that an inbox is in.
struct Seen {
    administrator: Vec<Vec<u8>>,
    /// And explanations for all viewers, which never depend on a stored value.
    others: Vec<Vec<u8>>,
}

impl Seen {
    /// Of two passes, the second from memory.
    async fn look(server: &Server, client: &Client, inbox: i64) -> Self {
        let mut others = Vec::new();
        for viewer in [AGENT, AGENT_BOT, SERVICE] {
            others.extend(answers(client, inbox, viewer).await);
        }
        for viewer in [AGENT, AGENT_BOT, SERVICE, ADMINISTRATOR] {
            others.push(explained(client, get_inbox(1, inbox, viewer)).await);
        }
        let administrator = answers(client, inbox, ADMINISTRATOR).await;
        client.ask_again(server).await;
        Self {
            administrator,
            others,
        }
    }
}
