//! Encrypted values are read, searched and disclosed like plain ones. (Suite `parity`
//! covers the rows of the oracle.)

use std::{collections::BTreeMap, fmt::Write};

use tonic::Code;

use crate::support::{
    Backend, Client, Database, Program, golden, pb,
    pb::{find_inboxes_request::Key, inbox::Channel},
    program::{Server, eventually},
    viewer,
};

on_both_databases!(
    rows_show_what_rails_shows_of_them,
    bots_are_found_by_their_tokens,
    access_of_a_bot_does_not_depend_on_its_envelope,
    decryption_failures_are_counted_and_logged_once,
);

const ADMINISTRATOR: pb::Viewer = viewer::user(1);

/// A stored value, its form for a viewer, and its origin in Rails.
struct Case {
    name: String,
    stored: String,
    expected: Option<String>,
}

/// All that Rails encrypted for columns that viewers see, and all that it tried
/// to decrypt.
fn cases() -> Vec<Case> {
    let golden::Encryption {
        encrypt, decrypt, ..
    } = golden::encryption();
    let encrypted = encrypt.into_iter().filter(|it| !it.deterministic);
    let encrypted = encrypted.map(|it| Case {
        name: it.case,
        stored: it.ciphertext,
        expected: Some(it.plaintext),
    });
    let decrypted = decrypt.into_iter().map(|it| Case {
        expected: if golden::is_envelope(&it.stored) {
            it.shown()
        } else {
            Some(it.stored.clone())
        },
        name: it.case,
        stored: it.stored,
    });
    encrypted.chain(decrypted).collect()
}

/// An account whose inboxes hold the cases, in each column that viewers see. An
/// inbox and its channel have the number of their case: of an email one as it
/// is, of a Twilio one a thousand more.
async fn account(backend: Backend, cases: &[Case]) -> Database {
    let database = backend.empty();
    let now = "'2026-01-01', '2026-01-01'";
    let mut sql = format!(
        "INSERT INTO accounts (id, name, created_at, updated_at) VALUES (1, 'a', {now});
        INSERT INTO users (id, name, created_at, updated_at) VALUES (1, 'u', {now});
        INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
            VALUES (1, 1, 1, {now});"
    );
    for (index, case) in cases.iter().enumerate() {
        let (email, twilio) = (1 + index, 1001 + index);
        let stored = case.stored.replace('\'', "''");
        write!(
            sql,
            "INSERT INTO channel_email (id, account_id, email, forward_to_email, imap_password,
                smtp_password, created_at, updated_at)
                VALUES ({email}, 1, 'e{email}', 'f{email}', '{stored}', '{stored}', {now});
            INSERT INTO channel_twilio_sms (id, account_id, account_sid, auth_token, created_at,
                updated_at) VALUES ({twilio}, 1, 'sid', '{stored}', {now});
            INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
                VALUES ({email}, 1, {email}, 'Channel::Email', 'n', {now}),
                    ({twilio}, 1, {twilio}, 'Channel::TwilioSms', 'n', {now});"
        )
        .unwrap();
    }
    database.execute(&sql).await;
    database
}

/// The texts of the encrypted fields of all inboxes, and which of them are noted.
async fn fields(client: &Client) -> BTreeMap<(i64, &'static str), (Option<String>, bool)> {
    let mut fields = BTreeMap::new();
    for inbox in client.all(1, ADMINISTRATOR).await {
        let of_channel = match inbox.channel.unwrap() {
            Channel::Email(email) => vec![
                ("email.imap.password", email.imap.unwrap().password),
                ("email.smtp.password", email.smtp.unwrap().password),
            ],
            Channel::TwilioSms(twilio) => vec![("twilio_sms.auth_token", twilio.auth_token)],
            _ => panic!("inbox {}", inbox.id),
        };
        for (field, text) in of_channel {
            let notes = inbox.degradations.iter().filter(|it| it.field == field);
            let reasons: Vec<_> = notes.map(|it| it.reason().as_str_name()).collect();
            let undecryptable = ["DEGRADATION_REASON_UNDECRYPTABLE"];
            assert!(
                reasons.is_empty() || reasons == undecryptable,
                "{reasons:?}"
            );
            fields.insert((inbox.id, field), (text, !reasons.is_empty()));
        }
    }
    fields
}

async fn rows_show_what_rails_shows_of_them(backend: Backend) {
    let cases = cases();
    assert!(cases.len() >= 85, "{}", cases.len());
    let database = account(backend, &cases).await;
    let shown = async |program: Program| {
        let server = program.start();
        let fields = fields(&server.client().await).await;
        assert_eq!(fields.len(), 3 * cases.len());
        fields
    };

    let with_keys = shown(Program::serving(&database).with_keys()).await;
    let without_keys = shown(Program::serving(&database)).await;
    let sha256 = Program::serving(&database)
        .with_keys()
        .arg("--encryption-digest")
        .arg("SHA256");
    let with_sha256 = shown(sha256).await;
    for (index, case) in cases.iter().enumerate() {
        let (email, twilio) = (1 + index, 1001 + index);
        for (inbox, field) in [
            (email, "email.imap.password"),
            (email, "email.smtp.password"),
            (twilio, "twilio_sms.auth_token"),
        ] {
            let place = (i64::try_from(inbox).unwrap(), field);
            let noted = |text: Option<String>| (text.clone(), text.is_none());
            let name = &case.name;
            assert_eq!(
                with_keys[&place],
                noted(case.expected.clone()),
                "{name}, {field}"
            );
            let plain = (!golden::is_envelope(&case.stored)).then(|| case.stored.clone());
            assert_eq!(
                without_keys[&place],
                noted(plain.clone()),
                "{name}, {field}"
            );
            let with_sha256 = &with_sha256[&place];
            if name.starts_with("sha256_derived") {
                assert_eq!(
                    with_sha256.0.as_deref(),
                    Some("under-sha256"),
                    "{name}, {field}"
                );
            } else {
                assert_eq!(*with_sha256, noted(plain), "{name}, {field}");
            }
        }
    }
}

fn find(account_id: Option<i64>, viewer: pb::Viewer, token: &str) -> pb::FindInboxesRequest {
    pb::FindInboxesRequest {
        account_id,
        viewer: Some(viewer),
        key: Some(Key::TelegramBotToken(token.to_owned())),
        ..Default::default()
    }
}

async fn found(client: &Client, request: pb::FindInboxesRequest) -> Vec<i64> {
    let found = client.find(request).await.unwrap().message;
    found.inboxes.iter().map(|inbox| inbox.id).collect()
}

/// A bot of an account, with its inbox.
async fn bot(database: &Database, account: i64, id: i64, token: &str) {
    let token = token.replace('\'', "''");
    let now = "'2026-01-01', '2026-01-01'";
    database
        .execute(&format!(
            "INSERT INTO channel_telegram (id, account_id, bot_token, created_at, updated_at)
                VALUES ({id}, {account}, '{token}', {now});
            INSERT INTO inboxes (id, account_id, channel_id, channel_type, name, created_at, updated_at)
                VALUES ({id}, {account}, {id}, 'Channel::Telegram', 'n', {now})"
        ))
        .await;
}

async fn bots_are_found_by_their_tokens(backend: Backend) {
    let database = backend.golden_encrypted();
    let encrypted = golden::encryption().encrypt.into_iter();
    let encrypted =
        encrypted.filter(|it| it.table == "channel_telegram" && it.column == "bot_token");
    let mut tokens = Vec::new();
    for (stored, id) in encrypted.zip(5000..) {
        bot(&database, 1, id, &stored.ciphertext).await;
        tokens.push((id, stored));
    }
    assert!(tokens.len() >= 12);
    let with_keys = Program::serving(&database).with_keys().start();
    let without_keys = Program::serving(&database).start();
    let (client, keyless) = (with_keys.client().await, without_keys.client().await);

    let mut searched = 0;
    for (id, stored) in &tokens {
        let request = find(None, viewer::service(), &stored.plaintext);
        // No key is blank, or longer than this.
        if stored.plaintext.trim().is_empty() || stored.plaintext.len() > 1024 {
            let refused = client.find(request).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{}", stored.case);
            continue;
        }
        assert_eq!(
            found(&client, request.clone()).await,
            [*id],
            "{}",
            stored.case
        );
        assert_eq!(
            found(&keyless, request).await,
            [0_i64; 0],
            "{}",
            stored.case
        );
        searched += 1;
    }
    assert!(searched >= 9, "{searched}");

    // The oracle's own: one of the three was stored before there were keys.
    let stored = database
        .pairs("SELECT id, bot_token AS text FROM channel_telegram WHERE id < 5000 ORDER BY id")
        .await;
    let (mut plain, mut in_envelopes) = (0, 0);
    for (id, stored) in stored {
        let is_envelope = golden::is_envelope(&stored);
        let token = if is_envelope {
            format!("CANARY-channel_telegram-bot_token-{id}")
        } else {
            stored
        };
        let request = find(None, viewer::service(), &token);
        assert_eq!(found(&client, request.clone()).await, [id]);
        let expected = if is_envelope { vec![] } else { vec![id] };
        assert_eq!(found(&keyless, request).await, expected);
        if is_envelope {
            in_envelopes += 1;
        } else {
            plain += 1;
        }
    }
    assert!(plain >= 1 && in_envelopes >= 2, "{plain}, {in_envelopes}");

    // One token in two accounts, in either form.
    bot(&database, 2, 6000, &tokens[1].1.plaintext).await;
    let request = find(None, viewer::service(), &tokens[1].1.plaintext);
    assert_eq!(found(&client, request.clone()).await, [tokens[1].0, 6000]);
    assert_eq!(found(&keyless, request).await, [6000]);
}

async fn access_of_a_bot_does_not_depend_on_its_envelope(backend: Backend) {
    let database = backend.golden_encrypted();
    let server = Program::serving(&database).with_keys().start();
    let client = server.client().await;
    let now = "'2026-01-01', '2026-01-01'";
    database
        .execute(&format!(
            "INSERT INTO users (id, name, created_at, updated_at)
                VALUES (900, 'u', {now}), (901, 'v', {now});
            INSERT INTO account_users (account_id, user_id, role, created_at, updated_at)
                VALUES (1, 900, 0, {now}), (1, 901, 0, {now});
            INSERT INTO inbox_members (user_id, inbox_id, created_at, updated_at)
                VALUES (900, 201, {now})"
        ))
        .await;
    let token = "CANARY-channel_telegram-bot_token-201";
    for (viewer, sees) in [
        (ADMINISTRATOR, true),
        (viewer::user(900), true),
        (viewer::user(901), false),
        (viewer::service(), true),
    ] {
        let expected = if sees { vec![201] } else { vec![] };
        assert_eq!(found(&client, find(Some(1), viewer, token)).await, expected);
    }
    assert_eq!(
        found(&client, find(Some(2), viewer::service(), token)).await,
        [0_i64; 0]
    );
    database
        .execute("UPDATE accounts SET status = 1 WHERE id = 1")
        .await;
    assert_eq!(
        found(&client, find(None, viewer::service(), token)).await,
        [0_i64; 0]
    );
}

/// Of each field, and without the value.
async fn decryption_failures_are_counted_and_logged_once(backend: Backend) {
    let envelope = r#"{"p":"","h":{"iv":"","at":""}}"#.to_owned();
    let case = |stored: &str| Case {
        name: String::new(),
        stored: stored.to_owned(),
        expected: None,
    };
    let cases = [case(&envelope), case("plain"), case(&envelope)];
    let database = account(backend, &cases).await;
    for (program, keys) in [
        (Program::serving(&database), "not set"),
        (Program::serving(&database).with_keys(), "set"),
    ] {
        let server = program.env("LOG_FORMAT", "json").start();
        let client = server.client().await;
        for _ in 0..3 {
            client.all(1, ADMINISTRATOR).await;
        }
        let logged = |log: &str, message: &str| -> Vec<serde_json::Value> {
            let lines = log.lines().filter(|line| line.contains(message));
            lines
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        };
        let first = logged(&server.log(), "cannot be decrypted");
        let mut fields: Vec<_> = first.iter().map(|line| line["field"].as_str()).collect();
        fields.sort_unstable();
        let expected = [
            Some("email.imap.password"),
            Some("email.smtp.password"),
            Some("twilio_sms.auth_token"),
        ];
        assert_eq!(fields, expected);
        assert!(
            first
                .iter()
                .all(|line| line["keys"] == keys && line["level"] == "WARN")
        );

        drop(client);
        let log = log_to_the_end(&server).await;
        let at_the_end = logged(&log, "values that could not be decrypted");
        assert_eq!(at_the_end.len(), 3);
        for line in at_the_end {
            // A list is read once for each page, of which there is one.
            assert_eq!(line["count"], 6, "{line}");
        }
    }
}

async fn log_to_the_end(server: &Server) -> String {
    server.signal("TERM");
    eventually("the server has stopped", || {
        server.log().contains("\"stopped\"")
    })
    .await;
    server.log()
}
