//! Columns computed in SQL: results alone, for values that must not be read or that
//! belong to other tables.
//!
//! Each says which columns it needs. An optional one is left out where any of
//! them is not there, so a need may also say how new leadchat has to be.

use super::columns::Source;

/// Whether something in `provider_config` is nested more than 100 deep. Rails
/// reads such a one as null.
macro_rules! is_too_deep {
    (postgres) => {
        r#"jsonb_path_exists(t.provider_config,
            'strict $.**{100} ? (@.type() == "object" || @.type() == "array")')"#
    };
    (sqlite) => {
        "(WITH RECURSIVE nested(container, depth) AS (
                SELECT t.provider_config, 1
                UNION ALL
                SELECT e.value, depth + 1 FROM nested, json_each(nested.container) e
                WHERE e.type IN ('object', 'array') AND depth <= 100
            ) SELECT max(depth) FROM nested) > 100"
    };
}

/// Rails takes `provider_config.empty?`, which raises for anything but an object, a list
/// or a text: NULL here. (SQLite alone accepts bytes as JSON.)
pub(in crate::store) const PROVIDER_CONFIG_IS_EMPTY: Source = Source::Computed {
    needs: &["provider_config"],
    postgres: concat!(
        "CASE WHEN ",
        is_too_deep!(postgres),
        r#" THEN NULL
        WHEN jsonb_typeof(t.provider_config) IN ('object', 'array', 'string')
            THEN t.provider_config IN ('{}', '[]', '""')
    END"#
    ),
    sqlite: concat!(
        "CASE WHEN typeof(t.provider_config) = 'text' AND json_valid(t.provider_config) THEN CASE
        WHEN ",
        is_too_deep!(sqlite),
        " THEN NULL
        WHEN json_type(t.provider_config) IN ('object', 'array')
            THEN NOT EXISTS (SELECT 1 FROM json_each(t.provider_config))
        WHEN json_type(t.provider_config) = 'text'
            THEN json_extract(t.provider_config, '$') = ''
    END END"
    ),
};

/// Rails takes `provider_config['inbound_calls_enabled'] != false`, which raises
/// for anything but an object or a text (of which no part is false): NULL here.
pub(in crate::store) const INBOUND_CALLS_ENABLED: Source = Source::Computed {
    needs: &["provider_config"],
    postgres: concat!(
        "CASE WHEN ",
        is_too_deep!(postgres),
        " THEN NULL
        WHEN jsonb_typeof(t.provider_config) = 'object'
            THEN t.provider_config -> 'inbound_calls_enabled' IS DISTINCT FROM 'false'
        WHEN jsonb_typeof(t.provider_config) = 'string' THEN true
    END"
    ),
    // Of equal keys the last one counts.
    sqlite: concat!(
        "CASE WHEN typeof(t.provider_config) = 'text' AND json_valid(t.provider_config) THEN CASE
        WHEN ",
        is_too_deep!(sqlite),
        " THEN NULL
        WHEN json_type(t.provider_config) = 'object' THEN (
            SELECT e.type FROM json_each(t.provider_config) e
            WHERE e.key = 'inbound_calls_enabled' ORDER BY e.id DESC LIMIT 1) IS NOT 'false'
        WHEN json_type(t.provider_config) = 'text' THEN true
    END END"
    ),
};

/// The column is as old as leadchat; administrators see it since there is voice.
pub(in crate::store) const API_KEY_SID: Source = Source::Computed {
    needs: &["api_key_sid", "voice_enabled"],
    postgres: "t.api_key_sid",
    sqlite: "t.api_key_sid",
};

/// Rails decrypts the secret before it looks whether it is blank. An empty text has an
/// empty ciphertext, which shows without a key. PostgreSQL compares bytes, as not all
/// that is stored need be letters.
pub(in crate::store) const HAS_API_KEY_SECRET: Source = Source::Computed {
    needs: &["api_key_secret"],
    postgres: r#"coalesce(btrim(textsend(t.api_key_secret), decode('20090a0b0c0d', 'hex')) <> ''
        AND textsend(t.api_key_secret) NOT LIKE '{"p":"",%', false)"#,
    sqlite: concat!(
        "coalesce(trim(t.api_key_secret, ' \t\n\u{b}\u{c}\r') <> '' ",
        r#"AND t.api_key_secret NOT LIKE '{"p":"",%', false)"#
    ),
};

/// Whether a WhatsApp channel's account has the feature `channel_voice`, the 45th bit of
/// its flags. NULL where there is no such account. Flags that are no number are passed
/// on, and are unreadable in the row.
pub(in crate::store) const VOICE_FEATURE_ENABLED: Source = Source::Computed {
    needs: &["account_id", "accounts.feature_flags"],
    postgres: "(SELECT a.feature_flags & 17592186044416 <> 0 FROM accounts a
        WHERE a.id = t.account_id)",
    sqlite: "(SELECT CASE typeof(a.feature_flags)
            WHEN 'integer' THEN a.feature_flags & 17592186044416 <> 0
            ELSE a.feature_flags END
        FROM accounts a WHERE a.id = t.account_id)",
};
