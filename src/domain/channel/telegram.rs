//! A Telegram bot: `channel_telegram`. Its token is never read.

#[derive(Debug, Default)]
pub struct Telegram {
    pub bot_name: Option<String>,
}
