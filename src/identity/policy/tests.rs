//! Decisions on questions, one by one and against a model.

use proptest::prelude::*;

use super::*;
use crate::{
    domain::{id::UserId, secret_group::SecretGroup},
    tests::for_all,
};

fn rule() -> Rule {
    Rule {
        why: String::new(),
        line: 1,
        methods: EnumMap::from_fn(|method| method == Method::GetInbox),
        accounts: AccountSet::Among([1..=1, 5..=9].into()),
        everywhere: false,
        users: UserScope::None,
        bots: BotScope::None,
        itself: true,
        detail: Detail::Basic,
        secrets: SecretGroups::NONE,
    }
}

const ASK: Ask = Ask {
    method: Method::GetInbox,
    account: AccountId(1),
    viewer: Viewer::Service,
    detail: Detail::Basic,
};

fn needs(rules: &[Rule], ask: Ask) -> Option<Needs> {
    decide(rules, &ask, None).err().map(|refusal| refusal.needs)
}

#[test]
fn each_part_of_a_question_must_be_allowed() {
    let rules = [rule()];
    assert_eq!(needs(&rules, ASK), None);
    assert_eq!(needs(&[], ASK), Some(Needs::Method));
    let method = Method::ListInboxes;
    assert_eq!(needs(&rules, Ask { method, ..ASK }), Some(Needs::Method));
    for (id, is_in) in [
        (0, false),
        (1, true),
        (2, false),
        (4, false),
        (5, true),
        (9, true),
        (10, false),
    ] {
        let account = AccountId(id);
        let expected = (!is_in).then_some(Needs::Account);
        assert_eq!(needs(&rules, Ask { account, ..ASK }), expected, "{id}");
    }
    for viewer in [Viewer::User(UserId(1)), Viewer::AgentBot(AgentBotId(1))] {
        assert_eq!(needs(&rules, Ask { viewer, ..ASK }), Some(Needs::Viewer));
    }
    let detail = Detail::Full;
    assert_eq!(needs(&rules, Ask { detail, ..ASK }), Some(Needs::Detail));
}

#[test]
fn rules_are_not_added_up() {
    let any_user = Rule {
        users: UserScope::Any,
        itself: false,
        ..rule()
    };
    let all_accounts = Rule {
        accounts: AccountSet::All,
        ..rule()
    };
    let ask = Ask {
        account: AccountId(2),
        viewer: Viewer::User(UserId(1)),
        ..ASK
    };
    assert_eq!(needs(&[any_user, all_accounts], ask), Some(Needs::Viewer));
}

#[test]
fn secrets_of_rules_that_allow_are_united() {
    let with = |group, detail| Rule {
        secrets: SecretGroups::from_iter([group]),
        detail,
        ..rule()
    };
    let rules = [
        with(SecretGroup::Smtp, Detail::Full),
        with(SecretGroup::Imap, Detail::Full),
        with(SecretGroup::Twilio, Detail::Basic),
    ];
    let ask = Ask {
        detail: Detail::Full,
        ..ASK
    };
    let (allowing, permit) = decide(&rules, &ask, None).ok().unwrap();
    assert_eq!(allowing.len(), 2);
    assert_eq!(
        permit.secrets(),
        SecretGroups::from_iter([SecretGroup::Imap, SecretGroup::Smtp])
    );
    assert_eq!(
        (permit.account(), permit.viewer(), permit.detail()),
        (ask.account, ask.viewer, ask.detail)
    );
}

#[test]
fn a_search_is_limited_to_the_accounts_of_its_rules() {
    let search = |accounts: AccountSet| Rule {
        methods: EnumMap::from_fn(|method| method == Method::FindInboxes),
        everywhere: true,
        accounts,
        ..rule()
    };
    let ask = SearchAsk {
        detail: Detail::Basic,
    };
    let rules = [
        search(AccountSet::Among([1..=2].into())),
        search(AccountSet::Among([7..=7].into())),
    ];
    let (_, permit) = decide_search(&rules, ask, None).ok().unwrap();
    for (id, is_in) in [(1, true), (2, true), (3, false), (7, true), (8, false)] {
        assert_eq!(permit.permit(AccountId(id)).is_some(), is_in, "{id}");
    }
    for (rule, needs) in [
        (rule(), Needs::Method),
        (
            Rule {
                everywhere: false,
                ..search(AccountSet::All)
            },
            Needs::Search,
        ),
        (
            Rule {
                itself: false,
                ..search(AccountSet::All)
            },
            Needs::Viewer,
        ),
    ] {
        let rules = [rule];
        assert_eq!(decide_search(&rules, ask, None).err().unwrap().needs, needs);
    }
    let detail = Detail::Full;
    let refusal = decide_search(&rules, SearchAsk { detail }, None)
        .err()
        .unwrap();
    assert_eq!(refusal.needs, Needs::Detail);
    assert_eq!(refusal.nearest.len(), 2);
}

/// As the documentation has it: some rule allows every part.
fn is_allowed(rules: &[Rule], ask: &Ask, proved: Option<UserId>) -> bool {
    let contradicts = proved.is_some_and(|user| ask.viewer != Viewer::User(user));
    rules.iter().any(|rule| {
        let viewer = match ask.viewer {
            _ if contradicts => false,
            Viewer::User(_) => {
                rule.users == UserScope::Any
                    || rule.users == UserScope::WithToken && proved.is_some()
            }
            Viewer::AgentBot(id) => {
                rule.bots == BotScope::Any
                    || matches!(&rule.bots, BotScope::Only(bots) if bots.contains(&id))
            }
            Viewer::Service => rule.itself,
        };
        let account = match &rule.accounts {
            AccountSet::All => true,
            AccountSet::Among(ranges) => ranges
                .iter()
                .any(|ids| *ids.start() <= ask.account.0 && ask.account.0 <= *ids.end()),
        };
        let detail = rule.detail == Detail::Full || ask.detail == Detail::Basic;
        viewer && account && detail && rule.methods[ask.method]
    })
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let accounts = prop_oneof![
        1 => Just(AccountSet::All),
        3 => prop::collection::vec((1..6_i64, 0..3_i64), 0..3).prop_map(|ranges| {
            let ranges = ranges.into_iter().map(|(first, more)| first..=first + more);
            AccountSet::Among(ranges.collect())
        }),
    ];
    let bots = prop_oneof![
        Just(BotScope::None),
        Just(BotScope::Any),
        Just(BotScope::Only([AgentBotId(1)].into())),
    ];
    let methods = prop::array::uniform6(any::<bool>());
    let users = prop_oneof![
        Just(UserScope::None),
        Just(UserScope::WithToken),
        Just(UserScope::Any),
    ];
    let others = (users, any::<[bool; 2]>(), 0..5_usize);
    (accounts, bots, methods, others).prop_map(
        |(accounts, bots, methods, (users, [itself, full], groups))| Rule {
            accounts,
            bots,
            methods: EnumMap::from_array(methods),
            users,
            itself,
            detail: if full { Detail::Full } else { Detail::Basic },
            secrets: SecretGroups::ALL.iter().take(groups).collect(),
            ..rule()
        },
    )
}

#[test]
fn decisions_are_those_of_the_model() {
    let viewers = prop_oneof![
        Just(Viewer::Service),
        Just(Viewer::User(UserId(1))),
        Just(Viewer::User(UserId(2))),
        Just(Viewer::AgentBot(AgentBotId(1))),
        Just(Viewer::AgentBot(AgentBotId(2))),
    ];
    let proved = prop_oneof![Just(None), Just(Some(UserId(1)))];
    let asks = (0..5_usize, 1..9_i64, viewers, any::<bool>(), proved);
    let questions = (prop::collection::vec(any_rule(), 0..5), asks);
    for_all(
        3000,
        questions,
        |(rules, (method, account, viewer, full, proved))| {
            let ask = Ask {
                method: Method::iter().nth(method).unwrap(),
                account: AccountId(account),
                viewer,
                detail: if full { Detail::Full } else { Detail::Basic },
            };
            let decided = decide(&rules, &ask, proved);
            assert_eq!(
                decided.is_ok(),
                is_allowed(&rules, &ask, proved),
                "{rules:?} {ask:?} {proved:?}"
            );
            // A rule more takes nothing away.
            let fewer = rules.get(1..).unwrap_or_default();
            if let (Ok((_, fewer)), Ok((_, all))) = (decide(fewer, &ask, proved), decided) {
                assert!(fewer.secrets().without(all.secrets()).is_empty());
            }
        },
    );
}
