//! A TikTok business account: `channel_tiktok`.

use crate::domain::reauthorization::FlagSource;

#[derive(Debug, Default)]
pub struct Tiktok {
    pub reauthorization: FlagSource,
}
