//! JSON that is damaged, deep or without end.

use prost_types::value::Kind;

use super::{ADMINISTRATOR, AGENT, look, reasons};
use crate::support::{Backend, Program, pb};

on_both_databases!(
    malformed_json_costs_its_column,
    deep_json_decodes_and_is_cut_at_the_limit,
    a_provider_config_is_read_as_deep_as_rails_reads,
    many_degradations_are_bounded,
);

/// PostgreSQL's jsonb holds none; SQLite's texts may.
async fn malformed_json_costs_its_column(backend: Backend) {
    const COLUMNS: &[(i64, &str, &str, &str)] = &[
        (1, "inboxes", "csat_config", "csat_config"),
        (
            1,
            "inboxes",
            "auto_assignment_config",
            "auto_assignment_config",
        ),
        (
            1,
            "channel_web_widgets",
            "pre_chat_form_options",
            "web_widget.pre_chat_form_options",
        ),
        (
            191,
            "channel_api",
            "additional_attributes",
            "api.additional_attributes",
        ),
        (
            142,
            "channel_twilio_sms",
            "content_templates",
            "twilio_sms.content_templates",
        ),
        (
            232,
            "channel_whatsapp",
            "message_templates",
            "whatsapp.message_templates",
        ),
        (
            232,
            "channel_whatsapp",
            "provider_config",
            "whatsapp.provider_config",
        ),
    ];
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    for malformed in [
        "", "{", "{\"a\":}", "nul", "'x'", "[1,]", "{} {}", "\u{0}", "{\"a\":1",
    ] {
        for (inbox, table, column, field) in COLUMNS {
            let text = malformed.replace('\'', "''").replace('\u{0}', "");
            let sql = format!("UPDATE {table} SET {column} = '{text}' WHERE id = {inbox}");
            if backend == Backend::Postgres {
                assert!(database.try_execute(&sql).await.is_err(), "{sql}");
                continue;
            }
            database.execute(&sql).await;
            let reported = reasons(&look(&client, *inbox, ADMINISTRATOR).await);
            assert_eq!(
                reported.get(*field).map(String::as_str),
                Some("JSON_MALFORMED"),
                "{sql}"
            );
            let to_agents = reasons(&look(&client, *inbox, AGENT).await);
            assert_eq!(
                to_agents.contains_key(*field),
                *column != "provider_config",
                "{sql}"
            );
        }
    }
    if backend == Backend::Sqlite {
        // A text that is half a character costs itself alone.
        database
            .execute(
                r#"UPDATE channel_api SET additional_attributes = '{"a": "\ud800", "b": 1}' WHERE id = 191;
                UPDATE channel_email SET provider_config = '{' WHERE id = 165"#,
            )
            .await;
        let inbox = look(&client, 191, AGENT).await;
        assert_eq!(
            reasons(&inbox)["api.additional_attributes.a"],
            "JSON_MALFORMED"
        );
        let Some(pb::inbox::Channel::Api(api)) = inbox.channel else {
            panic!()
        };
        let Some(Kind::StructValue(attributes)) = api.additional_attributes.unwrap().kind else {
            panic!()
        };
        assert_eq!(attributes.fields.keys().collect::<Vec<_>>(), ["b"]);
        let reported = reasons(&look(&client, 165, ADMINISTRATOR).await);
        assert_eq!(reported["email.reauthorization"], "SOURCE_UNREADABLE");
    }
}

/// At most 31 objects or 46 lists in each other; what is deeper is left out. All
/// answers decode at prost's default limit, in every RPC (the client of these
/// tests decodes so).
async fn deep_json_decodes_and_is_cut_at_the_limit(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let objects = |depth: usize| format!("{}1{}", r#"{"d":"#.repeat(depth), "}".repeat(depth));
    let lists = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    // PostgreSQL itself stops at some thousands. By recursion, so many levels would take more
    // than a thread's two megabytes.
    let bottomless = if backend == Backend::Postgres {
        2000
    } else {
        20_000
    };
    for (json, fits) in [
        (objects(31), true),
        (objects(32), false),
        (lists(46), true),
        (lists(47), false),
        (objects(100), false),
        (objects(bottomless), false),
        (lists(bottomless), false),
    ] {
        for (inbox, table, column, field) in [
            (1, "inboxes", "csat_config", "csat_config"),
            (
                1,
                "channel_web_widgets",
                "pre_chat_form_options",
                "web_widget.pre_chat_form_options",
            ),
            (
                191,
                "channel_api",
                "additional_attributes",
                "api.additional_attributes",
            ),
            (
                232,
                "channel_whatsapp",
                "provider_config",
                "whatsapp.provider_config",
            ),
        ] {
            let sql = format!("UPDATE {table} SET {column} = '{json}' WHERE id = {inbox}");
            database.execute(&sql).await;
            let reported = reasons(&look(&client, inbox, ADMINISTRATOR).await);
            let too_deep: Vec<_> = reported
                .iter()
                .filter(|(path, reason)| path.starts_with(field) && *reason == "JSON_TOO_DEEP")
                .collect();
            assert_eq!(
                too_deep.len(),
                usize::from(!fits),
                "{table}.{column}: {reported:?}"
            );
        }
        client.all(1, ADMINISTRATOR).await;
    }
}

/// Rails reads what is nested more than 100 deep as null, and then raises.
async fn a_provider_config_is_read_as_deep_as_rails_reads(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    for (open, close) in [("{\"d\":", "}"), ("[", "]")] {
        for (depth, readable) in [(100, true), (101, false), (500, false)] {
            let json = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let sql = format!("UPDATE channel_email SET provider_config = '{json}' WHERE id = 165");
            database.execute(&sql).await;
            let inbox = look(&client, 165, ADMINISTRATOR).await;
            let reported = reasons(&inbox).contains_key("email.reauthorization");
            assert_eq!(reported, !readable, "{open} {depth}");
            let Some(pb::inbox::Channel::Email(email)) = inbox.channel else {
                panic!()
            };
            assert_eq!(email.reauthorization.is_some(), readable, "{open} {depth}");
        }
    }
}

async fn many_degradations_are_bounded(backend: Backend) {
    let database = backend.golden();
    let server = Program::serving(&database).start();
    let client = server.client().await;
    let key = "k".repeat(5000);
    let flood = format!(r#"{{"{key}": [{}1]}}"#, "1e400,".repeat(10_000));
    database
        .execute(&format!(
            "UPDATE channel_api SET additional_attributes = '{flood}' WHERE id = 191"
        ))
        .await;
    let inbox = look(&client, 191, AGENT).await;
    assert!(
        inbox.degradations.len() < 70,
        "{}",
        inbox.degradations.len()
    );
    assert_eq!(
        reasons(&inbox)["api.additional_attributes"],
        "MORE_NOT_LISTED"
    );
    assert!(
        inbox
            .degradations
            .iter()
            .all(|degradation| degradation.field.len() < 400)
    );
    // A null holds the place of each.
    let Some(pb::inbox::Channel::Api(api)) = inbox.channel else {
        panic!()
    };
    let Some(Kind::StructValue(attributes)) = api.additional_attributes.unwrap().kind else {
        panic!()
    };
    let Some(Kind::ListValue(list)) = &attributes.fields[&key].kind else {
        panic!()
    };
    assert_eq!(list.values.len(), 10_001);
    assert_eq!(list.values[10_000].kind, Some(Kind::NumberValue(1.0)));
}
