//! All statements, built for the tables as probed.

use super::{
    Dialect, Statement,
    account_list::AccountList,
    address_lookup::{AddressLookups, Collation},
    plan_check::plan_is_current,
    select::{AccountStatements, CrossAccount, StatementScope, Target},
};
use crate::store::schema::Schema;

/// How to ask a database, for as long as its tables stay as they are.
pub(in crate::store) struct Plan {
    pub schema: Schema,
    /// The number of the probe that found it.
    pub probe_number: u64,
    /// For a whole account, and for some inboxes of it.
    pub whole: AccountStatements,
    pub excerpt: AccountStatements,
    /// For what owns an address, and for inboxes of any account.
    pub address_lookups: AddressLookups,
    pub cross_account: CrossAccount,
    /// For all accounts, page by page.
    pub account_list: AccountList,
    /// Asked at the end of a read: whether all of it was read from the tables
    /// that the statements were made for.
    pub is_current: Statement,
}

impl Plan {
    pub fn new(dialect: Dialect, collation: Collation, schema: Schema, probe_number: u64) -> Self {
        let target = Target {
            dialect,
            schema: &schema,
            probe_number,
        };
        Self {
            whole: AccountStatements::new(target, StatementScope::Whole),
            excerpt: AccountStatements::new(target, StatementScope::Excerpt),
            address_lookups: AddressLookups::new(target, collation),
            cross_account: CrossAccount::new(target),
            account_list: AccountList::new(target),
            is_current: target.statement("the catalog", &plan_is_current(dialect, &schema)),
            schema,
            probe_number,
        }
    }
}
