//! An authority of the tests' own, and certificates that come from it.

use std::{fs, process::Command};

use tempfile::TempDir;

pub struct Authority {
    folder: TempDir,
}

/// A certificate and its key, as texts and as files.
pub struct Certificate {
    pub text: String,
    pub key: String,
    pub file: String,
    pub key_file: String,
}

impl Authority {
    pub fn new() -> Self {
        let authority = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        authority.openssl(
            "req -x509 KEY -extensions authority -days 2 -keyout authority.key -out authority.pem",
            "",
            "",
        );
        authority
    }

    /// The file of its own certificate.
    pub fn file(&self) -> String {
        self.path("authority.pem")
    }

    pub fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    /// A certificate for a name, and for an address: `IP:127.0.0.1`, `DNS:localhost`.
    pub fn certificate(&self, name: &str, address: &str) -> Certificate {
        let of = |what: &str| format!("{name}.{what}");
        let request = format!("req KEY -keyout {} -out {}", of("key"), of("csr"));
        self.openssl(&request, name, address);
        let sign = format!(
            "x509 -req -in {} -CA authority.pem -CAkey authority.key -CAcreateserial \
             -extfile openssl.cnf -extensions holder -days 2 -out {}",
            of("csr"),
            of("pem")
        );
        self.openssl(&sign, name, address);
        let (file, key_file) = (self.path(&of("pem")), self.path(&of("key")));
        Certificate {
            text: fs::read_to_string(&file).unwrap(),
            key: fs::read_to_string(&key_file).unwrap(),
            file,
            key_file,
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn openssl(&self, arguments: &str, name: &str, address: &str) {
        let name = if name.is_empty() { "of a test" } else { name };
        let address = if address.is_empty() {
            "DNS:nowhere"
        } else {
            address
        };
        let configuration = format!(
            "[req]\nprompt = no\ndistinguished_name = name\n[name]\nCN = {name}\n\
             [authority]\nbasicConstraints = critical, CA:TRUE\n\
             [holder]\nsubjectAltName = {address}\n"
        );
        fs::write(self.folder.path().join("openssl.cnf"), configuration).unwrap();
        let arguments =
            arguments.replace("KEY", "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes");
        let output = Command::new("openssl")
            .args(arguments.split_whitespace())
            .env("OPENSSL_CONF", "openssl.cnf")
            .current_dir(&self.folder)
            .output()
            .expect("the tests need openssl: apt-get install openssl");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}\n{said}");
    }
}
