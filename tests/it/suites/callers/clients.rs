//! Real clients present their credentials as the documents say: grpcurl and Python.

use std::{
    collections::BTreeMap,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use serde_json::json;

use super::{
    issuers::{ISSUERS, KEYS, claims, user_claims},
    network::{DASHBOARD, Network, uri},
    on_socket, uid,
};
use crate::support::{Backend, Database, get_inbox, grpcio::Grpcio, pb, program::Server, viewer};

const GET: &str = "leadchat.inbox.v1.InboxService/GetInbox";

/// A caller by certificate, and one by token; both for users with their token.
fn server(network: &Network, database: &Database) -> Server {
    let entry = |name: &str, identity: &str| {
        format!(
            "[[caller]]\nname = \"{name}\"\n{identity}\n[[caller.may]]\nmethods = [\"GetInbox\"]\n\
             accounts = [\"1\"]\nas = {{ users = \"with-token\", itself = true }}\n\
             detail = \"full\"\n"
        )
    };
    let callers = [
        Network::HEAD.to_owned(),
        ISSUERS.to_owned(),
        entry("dashboard", &format!("spiffe = [\"{DASHBOARD}\"]")),
        entry(
            "sender",
            "subjects = [{ issuer = \"jobs\", subject = \"sender\" }]",
        ),
    ];
    KEYS.program(network.program(database, &callers.concat()))
        .start()
}

fn grpcurl(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/grpcurl");
    let environment: BTreeMap<_, _> = environment.iter().copied().collect();
    Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(environment)
        .output()
        .expect("grpcurl is not installed: run `make tools`")
}

fn printed(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpcurl_presents_certificates_and_tokens() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let server = server(&network, &database);
    let address = server.address.trim_start_matches("tls:");
    let certificate = network.mesh.certificate_with("me", &uri(DASHBOARD));
    let ask = r#"{"account_id":1,"inbox_id":1,"viewer":{"service":{}}}"#;
    let authority = network.servers.file();
    let root = ["-cacert", &authority];
    let pair = ["-cert", &certificate.file, "-key", &certificate.key_file];
    let call = ["-d", ask, address, GET];
    let output = grpcurl(&[&root[..], &pair, &call].concat(), &[]);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(printed(&output).contains("ROLE_AGENT"));

    let token = format!("Bearer {}", KEYS.es256.token(&claims("sender")));
    let header = ["-expand-headers", "-H", "authorization: ${AUTH}"];
    let output = grpcurl(&[&root[..], &header, &call].concat(), &[("AUTH", &token)]);
    assert!(output.status.success(), "{}", printed(&output));

    // Without either, a reason in words, and no broken connection.
    let output = grpcurl(&[&root[..], &call].concat(), &[]);
    assert!(
        printed(&output).contains("CREDENTIALS_MISSING"),
        "{}",
        printed(&output)
    );
    // Reflection and health are for everybody.
    let output = grpcurl(&[&root[..], &[address, "list"]].concat(), &[]);
    assert!(printed(&output).contains("leadchat.inbox.v1.InboxService"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpcurl_is_known_by_its_user_id() {
    let database = Backend::Sqlite.golden();
    let rule = super::rule("accounts = [\"1\"]\nas = { itself = true }\ndetail = \"full\"");
    let server = on_socket(&database, &super::file(&rule));
    let socket = server.address.trim_start_matches("unix:").to_owned();
    let ask = r#"{"account_id":1,"viewer":{"service":{}}}"#;
    let list = "leadchat.inbox.v1.InboxService/ListInboxes";
    let call = ["-plaintext", "-d", ask, "-unix", &socket, list];
    let output = grpcurl(&call, &[]);
    assert!(output.status.success(), "{}", printed(&output));

    // Another user of this machine is another caller. (Only root may become one.)
    if uid() != 0 {
        println!("not root: another user id was not tried here, see `authentication`");
        return;
    }
    let open = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(server.folder(), 0o755);
    open(Path::new(&socket), 0o777);
    // A copy where every user may read it.
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), 0o755);
    let copy = folder.path().join("grpcurl");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/grpcurl");
    // Not fs::copy: a process that another test starts meanwhile inherits the open file.
    let copied = Command::new("cp").args([&program, &copy]).status();
    assert!(copied.unwrap().success());
    let output = Command::new("setpriv")
        .args(["--reuid", "4242", "--clear-groups"])
        .arg(&copy)
        .args(call)
        .current_dir("/")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    let said = printed(&output);
    assert!(
        said.contains("CALLER_UNKNOWN") && said.contains("uid:4242"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_presents_certificates_and_tokens() {
    let database = Backend::Sqlite.golden();
    let network = Network::new();
    let server = server(&network, &database);
    let address = server.address.trim_start_matches("tls:").to_owned();
    let certificate = network.mesh.certificate_with("me", &uri(DASHBOARD));
    let root = network.servers.text();
    let with_certificate = json!({
        "root": root, "key": certificate.key, "chain": certificate.text,
    });
    let token = KEYS.eddsa.token(&claims("sender"));
    let with_token = json!({ "root": root, "token": token });
    let of_user = format!("Bearer {}", KEYS.login.token(&user_claims(1)));
    let options = [("grpc.default_authority", "localhost")];
    for (presented, headers, asker, expected) in [
        (&with_certificate, vec![], viewer::service(), Ok(1)),
        (&with_token, vec![], viewer::service(), Ok(1)),
        (
            &with_token,
            vec![("viewer-authorization", of_user.as_str())],
            viewer::user(1),
            Ok(1),
        ),
        (&with_token, vec![], viewer::user(1), Err("viewer-token")),
        (
            &json!({ "root": root }),
            vec![],
            viewer::service(),
            Err("CREDENTIALS_MISSING"),
        ),
    ] {
        let client = Grpcio {
            options: &options,
            presented: Some(presented.clone()),
            headers: &headers,
            ..Grpcio::default()
        };
        let ask = get_inbox(1, 1, asker);
        let answer: Result<pb::GetInboxResponse, _> = client.call(&address, "GetInbox", &ask);
        match (answer, expected) {
            (Ok(answer), Ok(id)) => assert_eq!(answer.inbox.unwrap().id, id),
            (Err(failure), Err(text)) => assert!(failure.details_say(text), "{failure:?}"),
            (Ok(_), Err(text)) => panic!("served, instead of {text}"),
            (Err(failure), Ok(_)) => panic!("{failure:?}"),
        }
    }
}
