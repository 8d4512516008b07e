//! The URL of an inbox's avatar, as Active Storage builds it. It names a variant, which
//! is made at the first request, and is signed against changes.

mod marshal;
mod signer;

pub use signer::Signer;

use super::links::Links;
use crate::domain::degradation::DegradationReason;

/// The content types that have variants, as Rails 7.1 lists them. Compared
/// exactly, as Rails does.
const VARIABLE_CONTENT_TYPES: [&str; 11] = [
    "image/png",
    "image/gif",
    "image/jpeg",
    "image/tiff",
    "image/bmp",
    "image/vnd.adobe.photoshop",
    "image/vnd.microsoft.icon",
    "image/webp",
    "image/avif",
    "image/heic",
    "image/heif",
];

/// The content types that browsers show. Variants keep them and their extensions; the
/// first extension is the default.
const WEB_IMAGES: [(&str, &[&str]); 3] = [
    ("image/png", &["png"]),
    ("image/jpeg", &["jpg", "jpeg", "jpe"]),
    ("image/gif", &["gif"]),
];

/// A row of `active_storage_blobs` that is attached as an avatar.
pub struct Blob<'a> {
    pub id: i64,
    pub content_type: &'a str,
    pub filename: &'a str,
}

/// The format of a variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format<'a> {
    /// An extension as it is written, in Ruby a string.
    Extension(&'a str),
    /// PNG, for types that browsers do not show; in Ruby a symbol.
    Png,
}

/// Whether a blob of this content type is shown as an avatar.
pub fn is_variable(content_type: &str) -> bool {
    VARIABLE_CONTENT_TYPES.contains(&content_type)
}

impl Blob<'_> {
    /// The URL, or the reason why there is none.
    pub fn address(
        &self,
        signer: Option<&Signer>,
        links: &Links,
    ) -> Result<String, DegradationReason> {
        let filename = sanitize(self.filename);
        if filename.is_empty() {
            return Err(DegradationReason::SourceUnreadable);
        }
        let signer = signer.ok_or(DegradationReason::SigningKeyNotConfigured)?;
        links
            .representation(
                &signer.blob(self.id),
                &signer.variation(self.format()),
                &filename,
            )
            .ok_or(DegradationReason::FrontendUrlNotConfigured)
    }

    fn format(&self) -> Format<'_> {
        let known = WEB_IMAGES
            .iter()
            .find(|(content_type, _)| *content_type == self.content_type);
        let Some((_, extensions)) = known else {
            return Format::Png;
        };
        let written = extension(self.filename);
        let is_of_type = extensions
            .iter()
            .any(|known| known.eq_ignore_ascii_case(written));
        if is_of_type {
            Format::Extension(written)
        } else {
            extensions
                .first()
                .map_or(Format::Png, |own| Format::Extension(own))
        }
    }
}

/// The extension as of Ruby's `File.extname`: empty for a name with leading dots alone.
fn extension(filename: &str) -> &str {
    let name = filename.trim_end_matches('/');
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = name.trim_start_matches('.');
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// The file name as one segment of a path, without characters that change the text
/// direction.
fn sanitize(filename: &str) -> String {
    // Ruby's white space, which is that of ASCII with the null character.
    let name = filename.trim_matches(['\0', '\t', '\n', '\u{b}', '\u{c}', '\r', ' ']);
    name.replace(
        [
            '\u{202e}', '%', '$', '|', ':', ';', '/', '\t', '\r', '\n', '\\',
        ],
        "-",
    )
}

#[cfg(test)]
mod tests;
