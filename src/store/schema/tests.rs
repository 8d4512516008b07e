//! Required columns, and the schema made of the existing ones.

use super::{columns::Source, *};
use crate::leadchat::features;

fn required(ownership: Ownership) -> Required {
    Required::new(ownership)
}

/// Probed columns: all exist and are granted, with exceptions.
fn probe(required: &Required, missing: &[ColumnName], not_granted: &[ColumnName]) -> Schema {
    let places = required.places.keys();
    let there = places.filter(|place| !missing.contains(*place));
    let found = there.map(|place| Found {
        table: place.0,
        column: place.1,
        column_count: 20,
        number: Some(7),
        is_granted: !not_granted.contains(place),
        is_secured: false,
    });
    required.compare(found, 0)
}

#[test]
fn every_column_read_is_required_of_its_table() {
    let channels = ChannelKind::iter().map(tables::channel_table);
    for (table, columns) in TABLES_READ.into_iter().chain(channels) {
        for column in columns {
            // An alias that is not known would not be looked for in its table.
            if let Source::Expression(sql) = column.source {
                let alias = sql.split_once('.').map(|(alias, _)| alias);
                assert!(
                    matches!(alias, Some("t" | "i" | "p" | "b")),
                    "{table}: {sql}"
                );
            }
            assert!(!column.needs(table).is_empty(), "{table}.{}", column.name);
        }
    }
}

#[test]
fn only_columns_of_newer_versions_may_be_missing() {
    let own = required(Ownership::Own);
    let optional = own.places.iter().filter(|(_, is_optional)| **is_optional);
    let optional: Vec<_> = optional.map(|(place, _)| *place).collect();
    assert_eq!(
        optional,
        [
            ("accounts", "feature_flags"),
            ("channel_api", "secret"),
            ("channel_email", "imap_authentication"),
            ("channel_twilio_sms", "api_key_secret"),
            ("channel_twilio_sms", "api_key_sid"),
            ("channel_twilio_sms", "provider_config"),
            ("channel_twilio_sms", "twiml_app_sid"),
            ("channel_twilio_sms", "voice_enabled"),
            ("channel_voice", "id"),
            ("channel_voice", "phone_number"),
            ("channel_voice", "provider"),
            ("channel_whatsapp", "account_id"),
        ]
    );
    // Columns that features are detected from are required.
    for column in [
        features::COLUMN_OF_MOBILE_WEBVIEWS,
        features::COLUMN_OF_WHATSAPP_CALLS,
        features::COLUMN_OF_INBOUND_CALLS,
    ] {
        let place = column.split_once('.').unwrap();
        assert!(optional.contains(&place), "{column}");
    }
    let of_rails = required(Ownership::Attached);
    let ours = |(table, _): &&(&str, &str)| *table == "channel_reauthorizations";
    assert_eq!(of_rails.places.keys().filter(ours).count(), 0);
    assert_eq!(own.places.keys().filter(ours).count(), 3);
}

#[test]
fn all_that_is_lacking_is_named_at_once() {
    let required = required(Ownership::Attached);
    let tiktok: Vec<_> = required
        .places
        .keys()
        .filter(|(table, _)| *table == "channel_tiktok")
        .copied()
        .collect();
    let missing = [tiktok.as_slice(), &[("inboxes", "csat_config")]].concat();
    let not_granted = [("accounts", "status"), ("channel_telegram", "bot_token")];
    let schema = probe(&required, &missing, &not_granted);
    assert_eq!(
        schema.missing.to_string(),
        "missing: the table channel_tiktok, inboxes.csat_config; \
         not granted to this user: accounts.status, channel_telegram.bot_token"
    );
    assert_eq!(schema.omitted, []);
    assert!(probe(&required, &[], &[]).missing.is_empty());
}

#[test]
fn optional_columns_are_omitted_if_missing_or_not_granted() {
    let required = required(Ownership::Attached);
    let secret = ("channel_api", "secret");
    let sid = ("channel_twilio_sms", "api_key_sid");
    for (schema, is_there) in [
        (probe(&required, &[secret, sid], &[]), false),
        (probe(&required, &[], &[secret, sid]), true),
    ] {
        assert!(schema.missing.is_empty());
        let omitted = schema.omitted.iter();
        let omitted: Vec<_> = omitted.map(|it| (it.table, it.column)).collect();
        assert_eq!(omitted, [secret, sid]);
        // Columns without a grant still show the version.
        assert_eq!(schema.features().mobile_webviews, is_there);
        assert!(schema.features().inbound_calls);
        assert!(schema.has_channels(ChannelKind::Voice));
    }
    // A part of the table is no table.
    let without = probe(&required, &[("channel_voice", "provider")], &[]);
    assert!(!without.has_channels(ChannelKind::Voice));
    assert!(without.has_channels(ChannelKind::Api));

    // That the sid is shown came with voice, though the column is older.
    let older = probe(&required, &[("channel_twilio_sms", "voice_enabled")], &[]);
    let (table, columns) = tables::channel_table(ChannelKind::TwilioSms);
    let is_read = |name| {
        let column = columns.iter().find(|column| column.name == name).unwrap();
        older.has(column, table)
    };
    assert!(!is_read("api_key_sid") && !is_read("voice_enabled"));
    assert!(is_read("twiml_app_sid") && is_read("account_sid"));
}

#[test]
fn a_statement_has_a_bit_for_each_table_that_it_names() {
    let schema = probe(&required(Ownership::Attached), &[], &[]);
    let bit = |table| schema.tables_in(table);
    let all: Vec<_> = schema.tables.keys().map(|table| bit(table)).collect();
    let together = all.iter().fold(0, |all, bit| {
        assert_eq!((bit.count_ones(), all & bit), (1, 0));
        all | bit
    });
    assert_eq!(together.count_ones(), 24);
    assert_eq!(
        schema.tables_in(
            "SELECT t.inboxes_too FROM (SELECT id FROM channel_sms) t JOIN inboxes i, portals"
        ),
        bit("channel_sms") | bit("inboxes") | bit("portals")
    );
    assert_eq!(schema.tables_in("SELECT channel_type FROM nothing"), 0);
}
