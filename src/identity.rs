//! Callers, and what each of them may ask: deny by default.
//!
//! | file | about |
//! |---|---|
//! | `peer` | the other end of a connection: what the system says, and its certificate |
//! | `credential` | the identities that credentials prove |
//! | `certificate` | the names of a client's certificate |
//! | `trust` | the authorities that sign certificates |
//! | `keys`, `token` | the keys of issuers, and the tokens that they verify |
//! | `tls` | TLS of the server, and which certificates of clients it takes |
//! | `probe` | TLS of `health`, which trusts any server |
//! | `pair` | the files of the server's certificate and key |
//! | `caller` | the entries of a policy, and what each may ask |
//! | `identification` | from all that is presented with a call to its caller |
//! | `policy` | the rules of an entry, and the decision on a question |
//! | `limiter` | the limits of an entry |
//! | `file` | the callers file, and its mistakes |
//! | `files` | the files are read |
//! | `reload` | the files are read again while the server runs |
//!
//! Knows no messages, and of connections only their peers. Decisions depend on the rules and the question
//! alone, and on nothing that is stored.

mod caller;
mod certificate;
mod credential;
mod file;
mod files;
mod identification;
mod keys;
mod limiter;
mod pair;
mod peer;
mod policy;
mod probe;
mod reload;
mod tls;
mod token;
mod trust;

pub use caller::{Caller, Entry, Policy, PolicySource};
pub use credential::{Credential, CredentialError, CredentialProblem, Identity};
pub use file::{CallersFile, IssuerEntry, Problem, Problems};
pub use identification::{IdentifyError, Presented};
pub use limiter::{CallSlot, Limit, Rate};
pub use pair::{PairPaths, PairReport};
pub use peer::{Peer, PeerCertificate};
pub use policy::{
    Ask, BotScope, Explanation, Method, Needs, Rule, SearchAsk, UserScope, permit_check,
};
pub use probe::probe_config;
pub use reload::{ReloadMetrics, ReloadTrigger, TlsSource, WallClock, watch_files};
pub use tls::handshake_problem;
