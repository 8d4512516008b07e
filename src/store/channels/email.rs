//! What becomes of a row of `channel_email`.

use crate::{
    domain::{
        channel::{
            ChannelKind, Reauthorization,
            email::{Email, Imap, Smtp},
        },
        degradation::{Degradation, Reason},
        secret::AdminOnly,
    },
    store::{
        assemble::{Assembly, Notes, narrow},
        columns::Unreadable,
        rows::EmailRow,
    },
};

impl Assembly<'_> {
    pub(super) fn email(&self, row: Option<&EmailRow>, notes: &mut Notes) -> Email {
        let forwarding_enabled = self.installation.forwarding_enabled;
        let Some(row) = row else {
            return Email {
                email: None,
                forwarding_enabled,
                forward_to_email: None,
                imap: AdminOnly::seal(None),
                smtp: AdminOnly::seal(None),
                reauthorization: AdminOnly::seal(None),
                provider: None,
            };
        };
        let Notes { open, sealed } = notes;
        Email {
            email: row.email.shown("email.email", open),
            forwarding_enabled,
            forward_to_email: forwarding_enabled
                .then(|| row.forward_to_email.shown("email.forward_to_email", open))
                .flatten(),
            imap: AdminOnly::seal(Some(self.imap(row, sealed))),
            smtp: AdminOnly::seal(Some(self.smtp(row, sealed))),
            reauthorization: AdminOnly::seal(self.email_reauthorization(row, sealed)),
            provider: row.provider.shown("email.provider", open),
        }
    }

    fn email_reauthorization(
        &self,
        row: &EmailRow,
        sealed: &mut Vec<Degradation>,
    ) -> Option<Reauthorization> {
        match (is_authorized(row), row.provider_config_is_empty.get()) {
            (Ok(false), _) => None,
            (Ok(true), Ok(Some(true))) => Some(Reauthorization::Required),
            (Ok(true), Ok(Some(false))) => self.reauthorization(ChannelKind::Email, row.id, sealed),
            _ => {
                sealed.push(Degradation::new(
                    "email.reauthorization",
                    Reason::SourceUnreadable,
                ));
                None
            }
        }
    }

    fn imap(&self, row: &EmailRow, sealed: &mut Vec<Degradation>) -> Imap {
        Imap {
            login: row.imap_login.shown("email.imap.login", sealed),
            password: self
                .decryption
                .decrypted(&row.imap_password, "email.imap.password", sealed),
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

    fn smtp(&self, row: &EmailRow, sealed: &mut Vec<Degradation>) -> Smtp {
        Smtp {
            login: row.smtp_login.shown("email.smtp.login", sealed),
            password: self
                .decryption
                .decrypted(&row.smtp_password, "email.smtp.password", sealed),
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
}

/// Whether the row leaves it to a flag.
pub(in crate::store) fn is_flagged(row: &EmailRow) -> bool {
    matches!(
        (is_authorized(row), row.provider_config_is_empty.get()),
        (Ok(true), Ok(Some(false)))
    )
}

/// Whether the mailbox is one that Microsoft or Google let leadchat into: by its
/// provider or, before there were providers, by where its mail is fetched.
fn is_authorized(row: &EmailRow) -> Result<bool, Unreadable> {
    if matches!(row.provider.text()?, Some("microsoft" | "google")) {
        return Ok(true);
    }
    Ok(
        row.imap_enabled.get()? == Some(&true)
            && row.imap_address.text()? == Some("imap.gmail.com"),
    )
}
