//! A Telegram bot: `channel_telegram`. No viewer gets its token; only `check` reads it, to
//! try the key.

#[derive(Debug, Default)]
pub struct Telegram {
    pub bot_name: Option<String>,
}
