//! Which attachments Active Storage can make an avatar of.

/// The content types that have variants, as Rails 7.1 lists them. Compared
/// exactly, as Rails does.
const VARIABLE: [&str; 11] = [
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

/// Whether a blob of this content type is shown as an avatar.
pub fn is_variable(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|content_type| VARIABLE.contains(&content_type))
}
