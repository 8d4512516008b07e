//! Groups of secrets, other accounts' permits, and what `Debug` says of secrets.
//! Visibility is tested over the wire.

use super::*;
use crate::{
    domain::{
        account::AccountInbox,
        channel::ChannelKind,
        cursor::MAX_NAME_BYTES,
        degradation::DegradationReason,
        id::{AccountId, AgentBotId, ChannelId, UserId},
        members::Members,
        permit::{AccountSet, SearchPermit},
        reauthorization::FlagKey,
        secret_group::{SecretGroup, group},
        viewer::Viewer,
    },
    tests::inbox,
};

/// For the account of these tests.
const fn permit(viewer: Viewer, secrets: SecretGroups) -> Permit {
    Permit::grant(AccountId(1), viewer, secrets, Detail::Full)
}

const fn all(viewer: Viewer) -> Permit {
    permit(viewer, SecretGroups::ALL)
}

fn account() -> Account {
    let mut members = Members::new(false);
    members.add_user(UserId(1), Role::Administrator);
    members.add_user(UserId(2), Role::Agent);
    members.add_user_inbox(UserId(2), InboxId(1));
    members.add_user_inbox(UserId(3), InboxId(1));
    members.add_agent_bot(AgentBotId(1));
    members.add_agent_bot_inbox(AgentBotId(1), InboxId(2));
    members.add_agent_bot_inbox(AgentBotId(2), InboxId(2));
    let other = Inbox {
        account_id: AccountId(2),
        ..inbox(3, "n")
    };
    let inboxes = [inbox(1, "n"), inbox(2, "n"), other].map(|it| AccountInbox::new(it, None));
    Account::new(AccountId(1), members, inboxes.into())
}

/// However few of them the viewer sees, and wherever the page begins.
#[test]
fn a_page_continues_behind_its_cursor() {
    const COUNT: i64 = 40;

    for visible in [0, 1, 4, 5, 6, 20, COUNT] {
        let mut members = Members::new(false);
        members.add_user(UserId(1), Role::Agent);
        // Far from each other, and in another order than that of names.
        let ids: Vec<_> = (0..visible).map(|it| it * 7 % COUNT + 1).collect();
        for id in &ids {
            members.add_user_inbox(UserId(1), InboxId(*id));
        }
        let inboxes = (1..=COUNT).map(|id| inbox(id, &format!("Name {}", id % 6)));
        let inboxes = inboxes.map(|it| AccountInbox::new(it, None)).collect();
        let account = Account::new(AccountId(1), members, inboxes);
        let flags = ReauthorizationFlags::default();
        let access = account.access(&flags, &all(Viewer::User(UserId(1))));
        let access = access.ok().unwrap();
        let listed = |cursor: Option<&Cursor>| -> Vec<_> {
            let inboxes = access.inboxes_after(cursor);
            inboxes
                .map(|(name, view)| (name.to_owned(), view.inbox().id.0))
                .collect()
        };
        let mut all: Vec<_> = ids
            .iter()
            .map(|id| (format!("name {}", id % 6), *id))
            .collect();
        all.sort();
        assert_eq!(listed(None), all);
        // Behind every inbox, those that are hidden included.
        for id in 1..=COUNT {
            let behind = (format!("name {}", id % 6), id);
            let cursor = Cursor::new(&behind.0, InboxId(id));
            let expected: Vec<_> = all.iter().filter(|it| **it > behind).cloned().collect();
            assert_eq!(listed(Some(&cursor)), expected);
        }
    }
}

/// A cursor cuts long names, so it has to be told apart by its inbox. A forged one must
/// not tell a hidden inbox from a missing one.
#[test]
fn a_cursor_at_a_hidden_inbox_is_one_at_a_missing_inbox() {
    let mut members = Members::new(false);
    members.add_user(UserId(1), Role::Agent);
    members.add_user_inbox(UserId(1), InboxId(1));
    members.add_user_inbox(UserId(1), InboxId(3));
    let prefix = "x".repeat(MAX_NAME_BYTES);
    let inboxes = (1..=3).map(|id| AccountInbox::new(inbox(id, &format!("{prefix}{id}")), None));
    let account = Account::new(AccountId(1), members, inboxes.collect());
    let flags = ReauthorizationFlags::default();
    let access = account.access(&flags, &all(Viewer::User(UserId(1))));
    let access = access.ok().unwrap();
    let listed = |id| -> Vec<_> {
        let cursor = Cursor::new(&prefix, InboxId(id));
        let inboxes = access.inboxes_after(Some(&cursor));
        inboxes.map(|(_, view)| view.inbox().id.0).collect()
    };
    assert_eq!(listed(1), [3]);
    assert_eq!(listed(3), [0; 0]);
    assert_eq!(listed(2), listed(99));
    assert_eq!(listed(2), [1, 3]);
}

#[test]
fn a_caller_withholds_secrets_and_hides_no_inbox() {
    let (account, flags) = (account(), ReauthorizationFlags::default());
    let smtp = SecretGroups::from_iter([SecretGroup::Smtp]);
    let (all, none) = (SecretGroups::ALL, SecretGroups::NONE);
    let administrator = Viewer::User(UserId(1));
    for (viewer, secrets, role, disclosed, seen) in [
        (administrator, all, Role::Administrator, all, 2),
        (administrator, smtp, Role::Administrator, smtp, 2),
        (administrator, none, Role::Agent, none, 2),
        (Viewer::User(UserId(2)), all, Role::Agent, none, 1),
        (Viewer::User(UserId(2)), none, Role::Agent, none, 1),
        (Viewer::Service, all, Role::Administrator, all, 2),
        (Viewer::Service, smtp, Role::Administrator, smtp, 2),
        (Viewer::Service, none, Role::Agent, none, 2),
    ] {
        let access = account.access(&flags, &permit(viewer, secrets));
        let access = access.ok().unwrap();
        assert_eq!(access.role(), role);
        assert_eq!(access.inboxes().count(), seen);
        let view = access.inbox(InboxId(1)).unwrap();
        assert_eq!(view.role(), role);
        assert_eq!(revealed(&view), disclosed);
        // A field is withheld where the role is an agent's, or its group is listed.
        let withheld = match role {
            Role::Administrator => SecretGroups::ALL.without(disclosed),
            Role::Agent => SecretGroups::NONE,
        };
        assert_eq!(access.withheld_by_caller(), withheld);
    }
}

/// The groups that a view opens.
fn revealed(view: &InboxView<'_>) -> SecretGroups {
    fn opens<G: Group>(view: &InboxView<'_>) -> Option<SecretGroup> {
        let sealed = AdminOnly::<_, G>::seal(());
        view.reveal(&sealed).map(|()| G::GROUP)
    }
    [
        opens::<group::Signing>(view),
        opens::<group::Imap>(view),
        opens::<group::Smtp>(view),
        opens::<group::Twilio>(view),
        opens::<group::Whatsapp>(view),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn degradations_are_disclosed_with_their_group() {
    let degradation = |field| Degradation::new(field, DegradationReason::SourceUnreadable);
    let inbox = Inbox {
        degradations: vec![degradation("open")],
        sealed_degradations: Some(Box::new(SealedDegradations {
            signing: AdminOnly::seal(vec![degradation("signing")]),
            imap: AdminOnly::seal(vec![degradation("imap")]),
            smtp: AdminOnly::seal(vec![degradation("smtp")]),
            twilio: AdminOnly::seal(vec![degradation("twilio")]),
            whatsapp: AdminOnly::seal(vec![degradation("whatsapp")]),
        })),
        ..inbox(1, "n")
    };
    let inboxes = vec![AccountInbox::new(inbox, None)];
    let account = Account::new(AccountId(1), Members::new(false), inboxes);
    let flags = ReauthorizationFlags::default();
    let fields = |secrets| -> Vec<String> {
        let access = account.access(&flags, &permit(Viewer::Service, secrets));
        let view = access.ok().unwrap().inbox(InboxId(1)).unwrap();
        view.degradations().map(|it| it.field.clone()).collect()
    };
    assert_eq!(fields(SecretGroups::NONE), ["open"]);
    for (group, field) in [
        (SecretGroup::Signing, "signing"),
        (SecretGroup::Imap, "imap"),
        (SecretGroup::Smtp, "smtp"),
        (SecretGroup::Twilio, "twilio"),
        (SecretGroup::Whatsapp, "whatsapp"),
    ] {
        assert_eq!(fields(SecretGroups::from_iter([group])), ["open", field]);
    }
    assert_eq!(fields(SecretGroups::ALL).len(), 6);
}

#[test]
fn a_permit_is_for_its_account_alone() {
    let (account, flags) = (account(), ReauthorizationFlags::default());
    let of_other = Permit::grant(
        AccountId(2),
        Viewer::Service,
        SecretGroups::ALL,
        Detail::Full,
    );
    let denied = account.access(&flags, &of_other).err();
    assert_eq!(denied, Some(AccessDenied::NotAMember));

    let among = AccountSet::Among([1..=1, 5..=9].into());
    let search = SearchPermit::grant(among, SecretGroups::NONE, Detail::Basic);
    for (id, is_in) in [
        (0, false),
        (1, true),
        (2, false),
        (4, false),
        (5, true),
        (9, true),
        (10, false),
    ] {
        assert_eq!(search.permit(AccountId(id)).is_some(), is_in, "{id}");
    }
    let permit = search.permit(AccountId(1)).unwrap();
    assert!(account.access(&flags, &permit).is_ok());
}

#[test]
fn a_membership_without_a_role_gives_nothing() {
    let (account, flags) = (account(), ReauthorizationFlags::default());
    for viewer in [Viewer::User(UserId(3)), Viewer::AgentBot(AgentBotId(2))] {
        let denied = account.access(&flags, &all(viewer)).err();
        assert_eq!(denied, Some(AccessDenied::NotAMember));
    }
}

#[test]
fn an_inbox_of_another_account_is_not_held() {
    let (account, flags) = (account(), ReauthorizationFlags::default());
    let access = account.access(&flags, &all(Viewer::Service)).ok().unwrap();
    assert!(access.inbox(InboxId(3)).is_none());
}

#[test]
fn a_suspended_account_says_so_to_its_members_alone() {
    let mut members = Members::new(true);
    members.add_user(UserId(1), Role::Administrator);
    for (viewer, denied) in [
        (Viewer::User(UserId(1)), AccessDenied::Suspended),
        (Viewer::Service, AccessDenied::Suspended),
        (Viewer::User(UserId(2)), AccessDenied::NotAMember),
        (Viewer::AgentBot(AgentBotId(1)), AccessDenied::NotAMember),
    ] {
        assert_eq!(members.access(viewer).err(), Some(denied), "{viewer:?}");
    }
}

#[test]
fn a_state_comes_from_its_source() {
    let key = |channel| FlagKey::new(ChannelKind::Email, ChannelId(channel));
    let flags: ReauthorizationFlags = [(key(1), true), (key(2), false)].into_iter().collect();
    for (source, state) in [
        (FlagSource::Absent, None),
        (
            FlagSource::Fixed(Reauthorization::NotRequired),
            Some(Reauthorization::NotRequired),
        ),
        (FlagSource::Flag(key(1)), Some(Reauthorization::Required)),
        (FlagSource::Flag(key(2)), Some(Reauthorization::NotRequired)),
        (FlagSource::Flag(key(3)), Some(Reauthorization::Unknown)),
    ] {
        assert_eq!(flags.resolve(source), state, "{source:?}");
    }
}

#[test]
fn debug_says_nothing_of_what_is_sealed() {
    assert_eq!(
        format!("{:?}", AdminOnly::<_, group::Smtp>::seal("secret")),
        "AdminOnly(..)"
    );
}
