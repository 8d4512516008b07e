//! A report as an operator reads it.

use std::fmt::{self, Display, Formatter};

use comfy_table::{CellAlignment, Table, presets::NOTHING};
use textwrap::{Options, WordSplitter};

use super::{
    counts::{Accounts, Inboxes, UNKNOWN_KIND},
    facts::{
        CallersReport, DatabaseKind, Encryption, Facts, KeyState, KeysAge, OwnershipName, Redis,
        RedisState, SecretFileReport, Settings, StoreFacts, Tables, TlsReport,
    },
    findings::Finding,
    report::Report,
};
use strum::IntoEnumIterator;

use crate::{domain::channel::ChannelKind, leadchat::links::FrontendUrl, store::SecretReading};

/// The maximum width of a line, in columns.
const MAX_LINE_COLUMNS: usize = 100;

/// The column of the text beside a label.
const VALUE_COLUMN: usize = 24;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            format: _,
            version,
            serves_well,
            complete: _,
            problems,
            notes,
            facts,
        } = self;
        let Facts {
            store,
            tables,
            encryption,
            redis,
            settings,
            accounts,
        } = facts;
        writeln!(f, "leadchat-inbox {version} check\n")?;
        write_store(f, store)?;
        if let Some(tables) = tables {
            write_tables(f, tables)?;
        }
        write_encryption(f, encryption)?;
        write_redis(f, redis)?;
        write_settings(f, settings)?;
        match accounts {
            Some(accounts) => write_accounts(f, accounts)?,
            None => writeln!(f, "Accounts\n{}", line("read", "none"))?,
        }
        write_findings(f, "Problems", problems)?;
        write_findings(f, "Notes", notes)?;
        f.write_str(if *serves_well {
            "\nIt would serve well."
        } else {
            "\nIt would not serve well; see the problems."
        })
    }
}

fn write_store(f: &mut Formatter<'_>, store: &StoreFacts) -> fmt::Result {
    let StoreFacts {
        database,
        place,
        ownership,
        server_version,
        user,
        standby,
        read_only,
        error: _,
    } = store;
    let name = match database {
        DatabaseKind::Postgres => "PostgreSQL",
        DatabaseKind::Sqlite => "SQLite",
    };
    let version = server_version.as_deref().unwrap_or_default();
    writeln!(f, "Store")?;
    writeln!(
        f,
        "{}",
        line("database", format!("{name} {version}").trim_end())
    )?;
    writeln!(f, "{}", line("place", place))?;
    let owner = match ownership {
        Some(OwnershipName::Attached) => "Rails: only read, never migrated",
        Some(OwnershipName::Own) => "this program: tables of `leadchat-inbox migrate`",
        None => "unknown",
    };
    writeln!(f, "{}", line("schema owner", owner))?;
    if let Some(user) = user {
        writeln!(f, "{}", line("user", user))?;
    }
    if *standby {
        writeln!(f, "{}", line("standby", "yes"))?;
    }
    if *read_only {
        writeln!(
            f,
            "{}",
            line("read-only", "yes, by default_transaction_read_only")
        )?;
    }
    writeln!(f)
}

fn write_tables(f: &mut Formatter<'_>, tables: &Tables) -> fmt::Result {
    let Tables {
        rails_version,
        migration,
        newest_migration,
        released,
        missing,
        not_granted,
        row_security,
        omitted,
        other_schemas,
        completeness,
    } = tables;
    writeln!(f, "Tables")?;
    let version = match (newest_migration, migration, rails_version) {
        (Some(newest), Some(applied), _) => format!("migration {applied} of {newest}"),
        (Some(newest), None, _) => format!("no migration of {newest}"),
        (None, _, Some(version)) => format!("{version}, of Rails' schema_migrations"),
        (None, _, None) => "not granted to this user, and not needed".to_owned(),
    };
    writeln!(f, "{}", line("schema version", &version))?;
    let release = match released {
        Some(month) => format!("{month} or newer, by its columns"),
        None => "before April 2026, by its columns".to_owned(),
    };
    writeln!(f, "{}", line("leadchat", &release))?;
    let mut listed = |label, names: &[String]| match names {
        [] => Ok(()),
        _ => writeln!(f, "{}", line(label, &names.join(", "))),
    };
    if tables.is_complete() {
        listed("required columns", &["complete".to_owned()])?;
    }
    listed("missing", missing)?;
    listed("not granted", not_granted)?;
    listed("row-level security", row_security)?;
    let optional = [&*omitted.missing, &*omitted.not_granted].concat();
    if optional.is_empty() {
        listed("optional columns", &["complete".to_owned()])?;
    }
    listed("omitted, missing", &omitted.missing)?;
    listed("omitted, no grant", &omitted.not_granted)?;
    listed("other schemas", other_schemas)?;
    let partial = completeness.partial.iter().map(|it| it.table.clone());
    listed("rows may be hidden", &partial.collect::<Vec<_>>())?;
    writeln!(f)
}

fn write_encryption(f: &mut Formatter<'_>, encryption: &Encryption) -> fmt::Result {
    let Encryption {
        keys_set,
        state,
        sample,
        error: _,
    } = encryption;
    writeln!(f, "Encryption")?;
    let set = if *keys_set { "set" } else { "not set" };
    let state = match state {
        KeyState::Usable => "and usable",
        KeyState::NotUsable => "and not usable",
        KeyState::Missing => "though there are encrypted values",
        KeyState::NothingEncrypted => "and nothing is encrypted",
        KeyState::Unknown => "and not tried",
    };
    writeln!(f, "{}", line("keys", &format!("{set}, {state}")))?;
    for column in sample {
        let all = column.opened + column.not_opened;
        let opened = format!("{}: {} of {all} decrypted", column.column, column.opened);
        writeln!(f, "{}", line("tried", &opened))?;
    }
    writeln!(f)
}

fn write_redis(f: &mut Formatter<'_>, redis: &Redis) -> fmt::Result {
    let Redis {
        state,
        place,
        reason,
    } = redis;
    let place = place.as_deref().unwrap_or_default();
    let reason = reason.as_deref().unwrap_or_default();
    let text = match state {
        RedisState::NotSet => "not set".to_owned(),
        RedisState::Answers => format!("answers ({place})"),
        RedisState::Refuses => format!("refuses reads: {reason} ({place})"),
        RedisState::Away => format!("cannot be read: {reason} ({place})"),
        RedisState::Unknown => format!("not tried ({place})"),
    };
    writeln!(f, "Redis\n{}\n", line("state", &text))
}

fn write_settings(f: &mut Formatter<'_>, settings: &Settings) -> fmt::Result {
    let Settings {
        tls,
        callers,
        frontend_url,
        secret_key_base_set,
        forwarding_addresses,
        secret_files,
    } = settings;
    let url = match frontend_url {
        FrontendUrl::NotSet => "not set",
        FrontendUrl::NotUsable => "set, and no URL of http or https",
        FrontendUrl::Usable { origin, .. } => origin,
    };
    let set_or_not = |is_set: bool| if is_set { "set" } else { "not set" };
    writeln!(f, "Settings")?;
    writeln!(f, "{}", line("FRONTEND_URL", url))?;
    writeln!(
        f,
        "{}",
        line("SECRET_KEY_BASE", set_or_not(*secret_key_base_set))
    )?;
    let forwarding = match forwarding_addresses {
        true => "shown (MAILER_INBOUND_EMAIL_DOMAIN is set)",
        false => "not shown (MAILER_INBOUND_EMAIL_DOMAIN is not set)",
    };
    writeln!(f, "{}", line("forwarding addresses", forwarding))?;
    for SecretFileReport { variable, read } in secret_files {
        let read = match read {
            SecretReading::EachConnection => "read for each connection",
            SecretReading::Start => "read at the start",
            SecretReading::Never => "not used",
        };
        writeln!(
            f,
            "{}",
            line("secret in a file", &format!("{variable}, {read}"))
        )?;
    }
    let callers_text = match callers {
        None => "not set".to_owned(),
        Some(CallersReport { problems, .. }) if !problems.is_empty() => "not usable".to_owned(),
        Some(CallersReport { count, .. }) => count.to_string(),
    };
    writeln!(f, "{}", line("callers file", &callers_text))?;
    for KeysAge {
        issuer,
        age_seconds,
    } in callers.iter().flat_map(|it| &it.keys)
    {
        // The system may not tell when a file was changed.
        if let Some(seconds) = age_seconds {
            let hours = seconds / 3600;
            let age = format!("{} days, {} hours", hours / 24, hours % 24);
            writeln!(f, "{}", line("age of keys", &format!("{age} ({issuer})")))?;
        }
    }
    let tls = match tls {
        None => "not set",
        Some(TlsReport { expires, .. }) => expires.as_deref().unwrap_or("not usable"),
    };
    writeln!(f, "{}\n", line("certificate until", tls))
}

fn write_accounts(f: &mut Formatter<'_>, accounts: &Accounts) -> fmt::Result {
    let Accounts {
        total,
        read,
        suspended,
        deleted,
        failed,
        error: _,
        inboxes,
    } = accounts;
    writeln!(f, "Accounts")?;
    let of = total.map_or_else(String::new, |total| format!(" of {total}"));
    writeln!(f, "{}", line("read", &format!("{read}{of}")))?;
    if *suspended > 0 {
        let text = format!("{suspended} of these; their inboxes are not served and were not read");
        writeln!(f, "{}", line("suspended", &text))?;
    }
    if *deleted > 0 {
        writeln!(f, "{}", line("deleted meanwhile", &deleted.to_string()))?;
    }
    for (reason, count) in failed {
        writeln!(f, "{}", line("failed", &format!("{count}: {reason}")))?;
    }
    let Inboxes {
        total,
        kinds,
        degraded,
        degradations,
    } = inboxes;
    writeln!(f, "\nInboxes")?;
    let width = total.to_string().len();
    for kind in ChannelKind::iter()
        .map(ChannelKind::field)
        .chain([UNKNOWN_KIND])
    {
        let count = kinds.get(kind).copied().unwrap_or_default();
        if count > 0 {
            writeln!(f, "{}", line(kind, &format!("{count:>width$}")))?;
        }
    }
    writeln!(f, "{}", line("total", &total.to_string()))?;
    writeln!(
        f,
        "{}",
        line("with degradations", &format!("{degraded:>width$}"))
    )?;
    if degradations.is_empty() {
        return Ok(());
    }
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_header(["kind", "field", "reason", "inboxes", "values"])
        .add_rows(degradations.iter().map(|(field, count)| {
            [
                field.kind.to_owned(),
                field.field.clone(),
                field.reason.0.to_owned(),
                count.inboxes.to_string(),
                count.values.to_string(),
            ]
        }));
    for (index, column) in table.column_iter_mut().enumerate() {
        if index == 0 {
            column.set_padding((2, 1));
        } else if index >= 3 {
            // Numbers.
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    writeln!(f, "\nDegradations\n{}", table.trim_fmt())
}

fn write_findings(f: &mut Formatter<'_>, title: &str, findings: &[Finding]) -> fmt::Result {
    writeln!(f, "\n{title}")?;
    if findings.is_empty() {
        return writeln!(f, "  none");
    }
    for finding in findings {
        writeln!(f, "{}", wrap("  * ", &finding.text, 4))?;
    }
    Ok(())
}

/// A label and the text beside it.
fn line(label: &str, text: &str) -> String {
    wrap(
        &format!("  {label:<width$}", width = VALUE_COLUMN - 2),
        text,
        VALUE_COLUMN,
    )
}

/// Wraps words after a prefix; further lines are indented by the margin.
fn wrap(prefix: &str, words: &str, margin: usize) -> String {
    let indent = " ".repeat(margin);
    let options = Options::new(MAX_LINE_COLUMNS)
        .initial_indent(prefix)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::fill(words, options)
}
