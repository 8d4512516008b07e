//! All statements, made for the tables as one look at them found them.

use super::{
    Dialect, Statement,
    account_list::AccountList,
    address_lookup::{LookUps, Order},
    plan_check::steady,
    select::{Anywhere, Scope, Statements, Target},
};
use crate::store::schema::Schema;

/// How to ask a database, for as long as its tables stay as they are.
pub(in crate::store) struct Plan {
    pub schema: Schema,
    /// For a whole account, and for some inboxes of it.
    pub whole: Statements,
    pub excerpt: Statements,
    /// For what owns an address, and for inboxes of any account.
    pub look_ups: LookUps,
    pub anywhere: Anywhere,
    /// For all accounts, page by page.
    pub listing: AccountList,
    /// Asked at the end of a read: whether all of it was read from the tables
    /// that the statements were made for.
    pub steady: Statement,
}

impl Plan {
    pub fn new(dialect: Dialect, order: Order, schema: Schema, look: u64) -> Self {
        let target = Target {
            dialect,
            schema: &schema,
            look,
        };
        Self {
            whole: Statements::new(target, Scope::Whole),
            excerpt: Statements::new(target, Scope::Excerpt),
            look_ups: LookUps::new(target, order),
            anywhere: Anywhere::new(target),
            listing: AccountList::new(target),
            steady: target.statement("the catalog", &steady(dialect, &schema)),
            schema,
        }
    }
}
