//! The store itself, without a server, for what no caller observes.

use std::time::{Duration, Instant};

use leadchat_inbox::{
    config::{self, Task},
    domain::{account::Account, id::AccountId},
    leadchat::Keys,
    metrics::store::StoreMetrics,
    store::{ReadContext, Store},
};
use tokio_util::sync::CancellationToken;

use super::{Database, golden, program::KEY_PART};

/// Far longer than any read should take.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// A store over a database, with the settings that the oracle ran with.
pub async fn open(database: &Database) -> Store {
    let keys = golden::encryption().keys;
    let environment = |name: &str| match name {
        "DATABASE_URL" => Some(database.url()),
        "FRONTEND_URL" => Some("https://chat.example.test".to_owned()),
        "MAILER_INBOUND_EMAIL_DOMAIN" => Some("inbound.example.test".to_owned()),
        "SECRET_KEY_BASE" => Some(KEY_PART.repeat(8)),
        _ => {
            let key = name.strip_prefix("ACTIVE_RECORD_ENCRYPTION_")?;
            keys.get(&key.to_lowercase()).cloned()
        }
    };
    let arguments = ["leadchat-inbox", "serve"].map(Into::into).into_iter();
    let settings = config::read(arguments, &environment).ok().unwrap();
    let Task::Serve(settings) = settings.task else {
        panic!("it serves")
    };
    Store::open(
        &settings.database.unwrap(),
        settings.database_connections,
        false,
        settings.installation,
        Keys::derive(&settings.secrets),
        &StoreMetrics::default(),
    )
    .await
    .unwrap()
}

/// A whole account, read after `previous`.
pub async fn read(store: &Store, account: i64, previous: Option<&Account>) -> Account {
    let deadline = Instant::now() + READ_TIMEOUT;
    let context = ReadContext::new(deadline, CancellationToken::new());
    let account = store.account(AccountId(account), previous, context).await;
    account.unwrap().expect("there is such an account")
}
