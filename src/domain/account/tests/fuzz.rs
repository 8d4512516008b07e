//! Names in every script.

use proptest::{collection::vec, prelude::*};

use super::super::*;
use crate::{
    domain::{
        permit::Permit,
        reauthorization::ReauthorizationFlags,
        secret_group::SecretGroups,
        viewer::{Detail, Viewer},
    },
    tests::{for_all, inbox, letter, text},
};

#[test]
fn a_name_has_every_beginning_of_its_own() {
    for_all(700, text(20), |name| {
        let folded = fold(&name);
        let ends = name.char_indices().map(|(end, _)| end).chain([name.len()]);
        for end in ends {
            let beginning = &name[..end];
            assert!(has_prefix(&folded, &fold(beginning)), "{beginning:?}");
        }
    });
}

#[test]
fn a_name_has_no_other_beginning() {
    let sigma = |text: &str| text.replace('ς', "σ");
    for_all(1000, (text(6), text(3)), |(name, prefix)| {
        let (name, prefix) = (fold(&name), fold(&prefix));
        let begins = sigma(&name).starts_with(&sigma(&prefix));
        assert_eq!(has_prefix(&name, &prefix), begins);
        // A cursor after a name occurs in no name.
        let longer = format!("{name}{prefix}");
        assert_eq!(has_prefix(&name, &longer), prefix.is_empty());
    });
}

/// Where both cases of a character are one character, as in most scripts.
#[test]
fn case_does_not_matter() {
    let has_two_cases = |letter: &char| {
        let mut lower = letter.to_lowercase();
        let (Some(lower), None) = (lower.next(), lower.next()) else {
            return false;
        };
        let mut upper = lower.to_uppercase();
        let (Some(upper), None) = (upper.next(), upper.next()) else {
            return false;
        };
        upper.to_lowercase().eq([lower])
    };
    let name = vec(
        letter().prop_filter("has cases of its own", has_two_cases),
        0..12,
    );
    for_all(1000, name.prop_map(String::from_iter), |name| {
        let (lower, upper) = (fold(&name.to_lowercase()), fold(&name.to_uppercase()));
        assert!(has_prefix(&fold(&name), &upper), "{upper:?}");
        assert!(has_prefix(&upper, &lower), "{lower:?}");
    });
}

#[test]
fn folding_again_changes_nothing() {
    for_all(500, text(20), |name| {
        let folded = fold(&name);
        assert_eq!(fold(&folded), folded);
    });
}

#[test]
fn an_account_has_one_order_however_it_is_read() {
    let names = vec(prop_oneof!["[aAäÄΣςσ]{0,3}", text(3)], 0..15);
    for_all(300, names.prop_flat_map(rows), |rows| {
        let inboxes = rows.iter();
        let inboxes = inboxes.map(|(id, name)| AccountInbox::new(inbox(*id, name), None));
        let account = Account::new(AccountId(1), Members::new(false), inboxes.collect());
        let flags = ReauthorizationFlags::default();
        let permit = Permit::grant(
            AccountId(1),
            Viewer::Service,
            SecretGroups::NONE,
            Detail::Full,
        );
        let Ok(access) = account.access(&flags, &permit) else {
            panic!("a service has access");
        };
        let listed: Vec<_> = access
            .inboxes()
            .map(|(name, view)| (name.to_owned(), view.inbox().id.0))
            .collect();

        let mut expected: Vec<_> = rows.iter().map(|(id, name)| (fold(name), *id)).collect();
        expected.sort();
        assert_eq!(listed, expected);
        for (id, name) in &rows {
            let found = access.inbox(InboxId(*id)).unwrap();
            assert_eq!(found.inbox().name, *name);
        }
    });
}

/// Ids and names, in the order of a database.
fn rows(names: Vec<String>) -> impl Strategy<Value = Vec<(i64, String)>> {
    Just((1..).zip(names).collect::<Vec<_>>()).prop_shuffle()
}

#[test]
fn guided_bytes_begin_as_they_begin() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let name = String::from_utf8_lossy(bytes);
        let beginning: String = name.chars().take(name.len() / 3).collect();
        assert!(has_prefix(&fold(&name), &fold(&beginning)), "{name:?}");
    });
}
