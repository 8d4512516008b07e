//! An authority of the tests' own, and certificates that come from it.

use std::{fs, process::Command, time::SystemTime};

use tempfile::TempDir;

pub struct Authority {
    folder: TempDir,
}

/// A certificate and its key, as texts and as files.
#[derive(Clone)]
pub struct Certificate {
    pub text: String,
    pub key: String,
    pub file: String,
    pub key_file: String,
}

/// The arguments of a new key.
const ELLIPTIC: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
const RSA: &str = "-newkey rsa:2048 -nodes";

impl Authority {
    pub fn new() -> Self {
        let authority = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let request = "req -x509 KEY -extensions authority -days 30";
        let files = "-keyout authority.key -out authority.pem";
        authority.openssl(
            &format!("{request} {files}").replace("KEY", ELLIPTIC),
            // Authorities of equal names would be taken for each other.
            &authority.path(""),
            "",
        );
        authority
    }

    /// One whose own certificate ends at a time.
    pub fn until(end: SystemTime) -> Self {
        let authority = Self::new();
        let request = format!("req {ELLIPTIC} -keyout authority.key -out authority.csr");
        let name = authority.path("");
        authority.openssl(&request, &name, "");
        fs::write(authority.path("index.txt"), "").unwrap();
        let end = openssl_time(end);
        let sign = format!(
            "ca -batch -notext -config openssl.cnf -selfsign -in authority.csr \
             -out authority.pem -startdate 20200101000000Z -enddate {end} -extensions authority"
        );
        authority.openssl(&sign, &name, "");
        authority
    }

    /// One that another authority has signed.
    pub fn below(parent: &Self) -> Self {
        let authority = Self::new();
        let request = format!("req {ELLIPTIC} -keyout authority.key -out authority.csr");
        authority.openssl(&request, "below", "");
        let above = |name: &str| parent.path(name);
        let sign = format!(
            "x509 -req -in authority.csr -CA {} -CAkey {} -CAcreateserial -days 2 \
             -out authority.pem -extfile openssl.cnf -extensions authority",
            above("authority.pem"),
            above("authority.key")
        );
        authority.openssl(&sign, "below", "");
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
        self.signed(name, &format!("subjectAltName = {address}"), ELLIPTIC)
    }

    /// The same with a key of RSA, as older TLS needs it.
    pub fn rsa_certificate(&self, name: &str, address: &str) -> Certificate {
        self.signed(name, &format!("subjectAltName = {address}"), RSA)
    }

    /// A certificate for a name, with these extensions; without any it is of version 1.
    pub fn certificate_with(&self, name: &str, extensions: &str) -> Certificate {
        self.signed(name, extensions, ELLIPTIC)
    }

    /// The same, from one time to another.
    pub fn certificate_between(
        &self,
        name: &str,
        extensions: &str,
        (begin, end): (SystemTime, SystemTime),
    ) -> Certificate {
        let request = format!("req {ELLIPTIC} -keyout {name}.key -out {name}.csr");
        self.openssl(&request, name, extensions);
        fs::write(self.path("index.txt"), "").unwrap();
        let sign = format!(
            "ca -batch -notext -config openssl.cnf -in {name}.csr -out {name}.pem \
             -startdate {} -enddate {} -extensions holder",
            openssl_time(begin),
            openssl_time(end)
        );
        self.openssl(&sign, name, extensions);
        self.read(name)
    }

    /// Its own certificate, as a server's.
    pub fn own_certificate(&self) -> Certificate {
        self.read("authority")
    }

    fn signed(&self, name: &str, extensions: &str, key: &str) -> Certificate {
        let request = format!("req {key} -keyout {name}.key -out {name}.csr");
        self.openssl(&request, name, extensions);
        let sign = format!(
            "x509 -req -in {name}.csr -CA authority.pem -CAkey authority.key -CAcreateserial \
             -days 2 -out {name}.pem"
        );
        let with = "-extfile openssl.cnf -extensions holder";
        let with = if extensions.is_empty() { "" } else { with };
        self.openssl(&format!("{sign} {with}"), name, extensions);
        self.read(name)
    }

    fn read(&self, name: &str) -> Certificate {
        let of = |what: &str| self.path(&format!("{name}.{what}"));
        let (file, key_file) = (of("pem"), of("key"));
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

    fn openssl(&self, arguments: &str, name: &str, extensions: &str) {
        let configuration = format!(
            "[req]\nprompt = no\ndistinguished_name = name\n[name]\nCN = {name}\n\
             [authority]\nbasicConstraints = critical, CA:TRUE\n\
             [ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = .\n\
             rand_serial = yes\ndefault_md = sha256\npolicy = any\nunique_subject = no\n\
             certificate = authority.pem\nprivate_key = authority.key\n\
             [any]\ncommonName = supplied\n\
             [holder]\n{extensions}\n"
        );
        fs::write(self.folder.path().join("openssl.cnf"), configuration).unwrap();
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

fn openssl_time(time: SystemTime) -> String {
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.replace(['-', ':', 'T'], "")
}
