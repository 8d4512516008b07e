//! Callers, and what each of them may ask: deny by default.
//!
//! | file | about |
//! |---|---|
//! | `peer` | the other end of a connection, as far as the system knows it |
//! | `caller` | the entries of a policy, and the entry that a peer leads to |
//! | `policy` | the rules of an entry, and the decision on a question |
//! | `limiter` | the limits of an entry |
//! | `file` | the callers file, and its mistakes |
//! | `reload` | the file is read again while the server runs |
//!
//! Knows neither connections nor messages. Decisions depend on the rules and the question
//! alone, and on nothing that is stored.

mod caller;
mod file;
mod limiter;
mod peer;
mod policy;
mod reload;

pub use caller::{Caller, Entry, IdentifyError, Policy};
pub use file::{CallersFile, Problem, Problems};
pub use limiter::{CallSlot, Limit, Rate};
pub use peer::Peer;
pub use policy::{
    Ask, BotScope, Explanation, Method, Needs, Rule, SearchAsk, UserScope, permit_check,
};
pub use reload::{PolicySource, ReloadTrigger, watch_file};
