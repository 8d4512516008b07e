//! The flags that an account depends on.

mod fuzz;

use super::*;
use crate::{
    domain::{channel::ChannelKind, fingerprint::Fingerprint, id::ChannelId},
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

/// Two reads of the same rows, and a third with one other row, have nothing in common in memory.
#[test]
fn unchanged_inboxes_are_shared_with_an_earlier_state() {
    let read = |rows: [u8; 3]| {
        let inboxes = (1..).zip(rows).map(|(id, row)| {
            let inbox = AccountInbox::new(inbox(id, "n"), None);
            inbox.with_fingerprint(Fingerprint([row; 16]))
        });
        Account::new(AccountId(1), Members::new(false), inboxes.collect())
    };
    let (first, same, other) = (read([1, 2, 3]), read([1, 2, 3]), read([1, 9, 3]));
    assert!(!same.is_same(&first));
    assert!(same.sharing(&first).unwrap().is_same(&first));
    let shared = other.sharing(&first).unwrap();
    assert_eq!(shared.shared_inboxes(&first), 2);
    assert!(!shared.is_same(&first));
    assert!(shared.sharing(&first).is_none());
    // Without a fingerprint nothing is known.
    let unknown = |id| AccountInbox::new(inbox(id, "n"), None);
    let unknown = || Account::new(AccountId(1), Members::new(false), vec![unknown(1)]);
    assert!(unknown().sharing(&unknown()).is_none());
}
