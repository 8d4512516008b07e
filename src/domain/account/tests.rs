//! The flags that an account depends on.

mod fuzz;

use super::*;
use crate::{
    domain::{channel::ChannelKind, id::ChannelId},
    tests::inbox,
};

fn key(kind: ChannelKind, channel: i64) -> FlagKey {
    FlagKey::new(kind, ChannelId(channel))
}

fn account(keys: &[Option<FlagKey>]) -> Account {
    let inboxes = (1..).zip(keys);
    let inboxes = inboxes.map(|(id, key)| AccountInbox::new(inbox(id, "n"), *key));
    Account::new(AccountId(1), Members::new(false), inboxes.collect())
}

#[test]
fn flag_keys_are_ordered_and_each_is_there_once() {
    let [first, second, third] = [
        key(ChannelKind::Email, 1),
        key(ChannelKind::Email, 2),
        key(ChannelKind::Whatsapp, 1),
    ];
    let keys = [Some(third), None, Some(first), Some(second), Some(third)];
    assert_eq!(**account(&keys).flag_keys(), [first, second, third]);
    assert!(account(&[None]).flag_keys().is_empty());
}
