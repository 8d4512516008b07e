//! A client on gRPC's C core, as those for Python, Ruby, PHP and C++ are: Python's, which `make
//! tools` installs.

use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use prost::Message;
use serde_json::{Value, json};

/// How a client is set up. By default, as it comes.
#[derive(Default)]
pub struct Grpcio<'a> {
    pub options: &'a [(&'a str, &'a str)],
    pub compression: Option<&'a str>,
    /// For TLS: texts in PEM as `root`, `key` and `chain`, and a `token`.
    pub presented: Option<Value>,
    pub headers: &'a [(&'a str, &'a str)],
}

/// An error as a client reads it.
#[derive(Debug)]
pub struct Failure {
    pub code: String,
    pub text: String,
    /// The details of the status, as bytes.
    details: Vec<u8>,
}

impl Failure {
    /// Whether the details have a text in them.
    pub fn details_say(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.details).contains(text)
    }
}

impl Grpcio<'_> {
    /// Calls a method of the service at an address, which may be that of a socket. Blocks.
    pub fn call<M: Message + Default>(
        &self,
        address: &str,
        method: &str,
        request: &impl Message,
    ) -> Result<M, Failure> {
        let options: BTreeMap<_, _> = self.options.iter().copied().collect();
        let came = run(&json!({
            "target": address,
            "method": format!("/leadchat.inbox.v1.InboxService/{method}"),
            "request": BASE64_STANDARD.encode(request.encode_to_vec()),
            "options": options,
            "compression": self.compression.unwrap_or("none"),
            "presented": self.presented,
            "headers": self.headers.iter().copied().collect::<BTreeMap<_, _>>(),
        }));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let bytes = |value: &Value| BASE64_STANDARD.decode(text(value)).unwrap();
        if came["code"] == "OK" {
            return Ok(M::decode(bytes(&came["answer"]).as_slice()).unwrap());
        }
        Err(Failure {
            code: text(&came["code"]),
            text: text(&came["text"]),
            details: bytes(&came["metadata"]["grpc-status-details-bin"]),
        })
    }
}

fn run(call: &Value) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = folder.join("target/tools/python/bin/python");
    let mut python = Command::new(python)
        .arg("-c")
        .arg(include_str!("call.py"))
        // No proxy of the environment's.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("gRPC for Python is not installed: run `make tools`");
    let mut stdin = python.stdin.take().unwrap();
    stdin.write_all(call.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{call}");
    serde_json::from_slice(&output.stdout).unwrap()
}
