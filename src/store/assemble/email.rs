//! A row of `channel_email`.

use super::{
    Context, Degradations, flags::flag_source, narrow, parts::ChannelParts, secrets::Decryption,
};
use crate::{
    domain::{
        channel::{
            Channel, ChannelKind,
            email::{Email, Imap, Smtp},
        },
        degradation::{Degradation, DegradationReason},
        reauthorization::{FlagSource, Reauthorization},
        secret::AdminOnly,
    },
    store::schema::{columns::Unreadable, rows::EmailRow},
};

pub(super) fn assemble(
    row: &EmailRow,
    context: &Context<'_>,
    degradations: &mut Degradations,
) -> ChannelParts {
    let Degradations {
        open,
        imap: of_imap,
        smtp: of_smtp,
        ..
    } = degradations;
    let forwarding_enabled = context.installation.forwarding_enabled;
    let address = row.email.shown("email.email", open);
    let forward_to_email = forwarding_enabled
        .then(|| row.forward_to_email.shown("email.forward_to_email", open))
        .flatten();
    let imap = imap(row, context.decryption, of_imap);
    let smtp = smtp(row, context.decryption, of_smtp);
    let reauthorization = reauthorization(row, context, of_imap);
    let email = Email {
        email: address,
        forwarding_enabled,
        forward_to_email,
        imap: AdminOnly::seal(Some(imap)),
        smtp: AdminOnly::seal(Some(smtp)),
        reauthorization: AdminOnly::seal(reauthorization),
        provider: row.provider.shown("email.provider", open),
    };
    Channel::Email(Box::new(email)).into()
}

fn reauthorization(
    row: &EmailRow,
    context: &Context<'_>,
    sealed: &mut Vec<Degradation>,
) -> FlagSource {
    match (is_authorized(row), row.provider_config_is_empty.get()) {
        (Ok(false), _) => FlagSource::Absent,
        (Ok(true), Ok(Some(true))) => FlagSource::Fixed(Reauthorization::Required),
        (Ok(true), Ok(Some(false))) => flag_source(context, ChannelKind::Email, row.id, sealed),
        _ => {
            sealed.push(Degradation::new(
                "email.reauthorization",
                DegradationReason::SourceUnreadable,
            ));
            FlagSource::Absent
        }
    }
}

fn imap(row: &EmailRow, decryption: &Decryption, sealed: &mut Vec<Degradation>) -> Imap {
    Imap {
        login: row.imap_login.shown("email.imap.login", sealed),
        password: decryption.decrypted(&row.imap_password, "email.imap.password", sealed),
        address: row.imap_address.shown("email.imap.address", sealed),
        port: narrow(&row.imap_port, "email.imap.port", sealed),
        enabled: row.imap_enabled.shown("email.imap.enabled", sealed),
        enable_ssl: row.imap_enable_ssl.shown("email.imap.enable_ssl", sealed),
        authentication: row
            .imap_authentication
            .as_ref()
            .and_then(|stored| stored.shown("email.imap.authentication", sealed)),
    }
}

fn smtp(row: &EmailRow, decryption: &Decryption, sealed: &mut Vec<Degradation>) -> Smtp {
    Smtp {
        login: row.smtp_login.shown("email.smtp.login", sealed),
        password: decryption.decrypted(&row.smtp_password, "email.smtp.password", sealed),
        address: row.smtp_address.shown("email.smtp.address", sealed),
        port: narrow(&row.smtp_port, "email.smtp.port", sealed),
        enabled: row.smtp_enabled.shown("email.smtp.enabled", sealed),
        domain: row.smtp_domain.shown("email.smtp.domain", sealed),
        enable_ssl_tls: row
            .smtp_enable_ssl_tls
            .shown("email.smtp.enable_ssl_tls", sealed),
        enable_starttls_auto: row
            .smtp_enable_starttls_auto
            .shown("email.smtp.enable_starttls_auto", sealed),
        openssl_verify_mode: row
            .smtp_openssl_verify_mode
            .shown("email.smtp.openssl_verify_mode", sealed),
        authentication: row
            .smtp_authentication
            .shown("email.smtp.authentication", sealed),
    }
}

/// Whether Microsoft or Google authorized leadchat for the mailbox: by its provider or,
/// in older rows, by its IMAP host.
fn is_authorized(row: &EmailRow) -> Result<bool, Unreadable> {
    if matches!(row.provider.text()?, Some("microsoft" | "google")) {
        return Ok(true);
    }
    Ok(
        row.imap_enabled.get()? == Some(&true)
            && row.imap_address.text()? == Some("imap.gmail.com"),
    )
}
