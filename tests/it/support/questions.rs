//! Questions that are asked twice: of the database, then of the server's memory.
//!
//! Each is first asked for the latest, so that a test may change rows and ask at once. Asked
//! again within the bound it has the same answer, byte for byte, and takes no statement.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use prost::Message;
use tonic::{Code, Status};

use super::{
    Client,
    client::{Answer, Response},
    pb,
    program::Server,
};

/// Answers of this age may be refreshed beside a call, where they are remembered for a minute.
const MAX_WARM_AGE: Duration = Duration::from_secs(35);

/// The method and the request, of any freshness.
type Question = (&'static str, Vec<u8>);

/// The answer without the time of its read, or the error.
type Outcome = Result<Vec<u8>, (Code, String, Vec<u8>)>;

/// The questions of a client and its clones that are still to be asked again.
#[derive(Clone, Default)]
pub struct Questions(Arc<Asked>);

#[derive(Default)]
struct Asked {
    outcomes: Mutex<BTreeMap<Question, (Outcome, Instant)>>,
}

impl Questions {
    pub fn keep<M: Response>(
        &self,
        question: Question,
        asked: Instant,
        outcome: &Result<Answer<M>, Status>,
    ) {
        let outcome = content(outcome);
        let mut outcomes = self.0.outcomes.lock().unwrap();
        outcomes.insert(question, (outcome, asked));
    }

    fn take(&self) -> BTreeMap<Question, (Outcome, Instant)> {
        std::mem::take(&mut *self.0.outcomes.lock().unwrap())
    }

    /// Asks everything again, and forgets it.
    pub async fn ask_again(&self, client: &Client, server: &Server) {
        let mut asked = self.take();
        assert!(!asked.is_empty(), "nothing was asked");
        let (read, remembered) = split(&asked);
        for question in &read {
            assert_same(question, &asked[question].0, &ask(client, question).await);
        }
        loop {
            let before = server.reads().await;
            for question in &remembered {
                assert_same(question, &asked[question].0, &ask(client, question).await);
            }
            let reads = server.reads().await - before;
            if reads == 0 {
                return;
            }
            let age = asked.values().map(|(_, at)| at.elapsed()).max().unwrap();
            assert!(age > MAX_WARM_AGE, "from memory: {reads} reads");
            // The machine is slow: what is too old by now is asked for anew.
            for question in &remembered {
                let at = Instant::now();
                let outcome = ask(client, &latest(question)).await;
                asked.insert(question.clone(), (outcome, at));
            }
        }
    }
}

/// A forgotten second pass would prove nothing.
impl Drop for Asked {
    fn drop(&mut self) {
        let is_asked_again = self.outcomes.get_mut().unwrap().is_empty();
        assert!(
            is_asked_again || thread::panicking(),
            "questions were not asked again"
        );
    }
}

/// Questions that may take statements again, and the rest. Nothing is remembered of several
/// inboxes, unless the whole account is.
fn split(asked: &BTreeMap<Question, (Outcome, Instant)>) -> (Vec<Question>, Vec<Question>) {
    let mut listed = BTreeSet::new();
    for ((method, request), (outcome, _)) in asked {
        if *method == "ListInboxes" && outcome.is_ok() {
            let request = pb::ListInboxesRequest::decode(request.as_slice()).unwrap();
            listed.insert(request.account_id);
        }
    }
    let is_read = |(method, request): &Question, outcome: &Outcome| {
        *method == "BatchGetInboxes" && {
            let request = pb::BatchGetInboxesRequest::decode(request.as_slice()).unwrap();
            let is_whole = listed.contains(&request.account_id) && outcome.is_ok();
            request.inbox_ids.len() > 1 && !is_whole
        }
    };
    let questions = asked.iter();
    let (read, remembered): (Vec<_>, Vec<_>) =
        questions.partition(|(question, (outcome, _))| is_read(question, outcome));
    let keys = |of: Vec<(&Question, _)>| of.into_iter().map(|(it, _)| it.clone()).collect();
    (keys(read), keys(remembered))
}

async fn ask(client: &Client, (method, request): &Question) -> Outcome {
    match *method {
        "GetInbox" => content(&client.send::<pb::GetInboxResponse>(method, request).await),
        "ListInboxes" => content(
            &client
                .send::<pb::ListInboxesResponse>(method, request)
                .await,
        ),
        "BatchGetInboxes" => content(
            &client
                .send::<pb::BatchGetInboxesResponse>(method, request)
                .await,
        ),
        "FindInboxes" => content(
            &client
                .send::<pb::FindInboxesResponse>(method, request)
                .await,
        ),
        other => panic!("{other}: its answers are to be compared here"),
    }
}

/// The same for the latest: a later field of a message counts, and any may be repeated.
fn latest((method, request): &Question) -> Question {
    let freshness = pb::Freshness::Latest.into();
    let more = match *method {
        "GetInbox" => pb::GetInboxRequest {
            freshness,
            ..Default::default()
        }
        .encode_to_vec(),
        "ListInboxes" => pb::ListInboxesRequest {
            freshness,
            ..Default::default()
        }
        .encode_to_vec(),
        "BatchGetInboxes" => pb::BatchGetInboxesRequest {
            freshness,
            ..Default::default()
        }
        .encode_to_vec(),
        "FindInboxes" => pb::FindInboxesRequest {
            freshness,
            ..Default::default()
        }
        .encode_to_vec(),
        other => panic!("{other}: has it a freshness?"),
    };
    (method, [request.as_slice(), &more].concat())
}

fn content<M: Response>(outcome: &Result<Answer<M>, Status>) -> Outcome {
    match outcome {
        Ok(answer) => Ok(answer.content()),
        Err(status) => {
            let (message, details) = (status.message().to_owned(), status.details().to_vec());
            Err((status.code(), message, details))
        }
    }
}

fn assert_same((method, request): &Question, first: &Outcome, again: &Outcome) {
    let name = |outcome: &Outcome| match outcome {
        Ok(content) => format!("{} bytes", content.len()),
        Err((code, message, _)) => format!("{code:?}: {message}"),
    };
    assert!(
        first == again,
        "{method} {request:?}: {}, then {}",
        name(first),
        name(again)
    );
}
