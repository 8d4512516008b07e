//! Old contracts: clients that were generated before the newest kind and the newest fields.

use std::{fs, path::Path};

use regex::Regex;
use tempfile::TempDir;

use super::root;

const FILES: [&str; 4] = ["channel", "inbox", "inbox_service", "visibility"];

/// The old contract lacks the newest kind of channel, and the newest fields.
const NEWEST: [&str; 6] = [
    r"(?m)^  CHANNEL_KIND_TIKTOK = 6;\n",
    r"(?m)^    TiktokChannel tiktok = 45 .*\n",
    r"(?m)^message TiktokChannel \{\n(.*\n)*?\}\n",
    r"(?m)^    string tiktok_business_id = 12;\n",
    r"(?m)^  optional bool inbound_calls_enabled = 9 .*\n",
    r"(?m)^  optional bool inbound_calls_enabled = 7 .*\n",
];

/// A folder with the contract as it was before these.
pub fn old() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = Path::new("leadchat/inbox/v1");
    fs::create_dir_all(folder.path().join(files)).unwrap();
    let mut removed = [0; NEWEST.len()];
    for file in FILES {
        let file = files.join(format!("{file}.proto"));
        let mut text = fs::read_to_string(root().join("proto").join(&file)).unwrap();
        for (pattern, removed) in NEWEST.iter().zip(&mut removed) {
            let pattern = Regex::new(pattern).unwrap();
            *removed += pattern.find_iter(&text).count();
            text = pattern.replace_all(&text, "").into_owned();
        }
        fs::write(folder.path().join(file), text).unwrap();
    }
    // Otherwise the old contract would be today's.
    assert_eq!(removed, [1; NEWEST.len()]);
    folder
}
