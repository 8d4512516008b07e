//! Odd values, as literals of SQL.

use std::{fmt::Write, ops::Range, sync::LazyLock};

use crate::support::{
    Backend,
    dice::Dice,
    schema::{Column, Kind},
    wire,
};

/// Texts that something might take for what they are not.
const TEXTS: &[&str] = &[
    "",
    " ",
    "\u{3000}\t\n",
    "0",
    "f",
    "true",
    "null",
    "NULL",
    "-1",
    "1e400",
    "'; DROP TABLE inboxes; --",
    "\\'; SELECT 1; --",
    "%",
    "$1",
    "{",
    "{}",
    "[null]",
    r#"{"p":"x","h":{"iv":"y","at":"z"}}"#,
    r#" {"p":"\ud800","h":{"iv":1e999,"at":null},"more":[[[]]]}"#,
    r#"{"p":1,"h":{"iv":"y"}}"#,
    "https://user:secret@example.test:99999/%zz?a=b#c",
    "javascript:alert(1)",
    "</script><script>",
    "../../etc/passwd",
    "+15551234567",
    "++1",
    "{{contact.name}}",
    "%s%n%x",
    "Europe/Berlin",
    "europe/berlin",
    "Mars/Olympus",
    "google",
    "microsoft",
    "imap.gmail.com",
    "image/png",
    "IMAGE/PNG",
    "Channel::Email",
    "\u{feff}",
    "\u{202e}abc\u{202c}",
    "\u{fffd}\u{fffe}\u{ffff}",
    "\u{10ffff}",
    "👩‍👩‍👧‍👦🏳️‍🌈",
    "İI\u{307}ıſSſ",
    "Σίσυφος ΣΑΣ",
    "ǅ\u{1e9e}ﬃ",
    "e\u{301}\u{301}\u{301}",
    "\u{1}\u{7f}\u{1b}[31m",
    "\r\n\r\n",
    "\u{85}\u{2028}\u{2029}",
    "x-request-id: 7\r\ngrpc-status: 0",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-0.0",
    "1",
    "3",
    "1.5",
    "12.0",
    "1e400",
    "-1e400",
    "1e-400",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "900719925474099300000e-2",
    "1.7976931348623157e308",
    "18446744073709551616",
    "2147483648",
    "0.1e1",
];

/// Values that SQLite's texts may hold, and jsonb may not.
const DAMAGED: &[&str] = &[
    "",
    " ",
    "{",
    "nul",
    "'x'",
    "[1,]",
    "{} {}",
    "{\"a\":}",
    "NaN",
    "01",
    "{a: 1}",
    "\u{feff}{}",
    r#"{"a": 1, "a": 2, "a": {"a": 3, "a": 4}}"#,
    r#"{"a": "\ud800", "\udfff": 1, "c": "\u0000"}"#,
    r#"["\ud800\ud800", "\udc00\ud800"]"#,
    r#""\ud83d""#,
];

/// Blobs and texts that are no UTF-8.
const BYTES: &[&str] = &[
    "x''",
    "x'00'",
    "x'ff'",
    "x'7b7d'",
    "x'0c'",
    "x'7b2261223a'",
    "CAST(x'ff' AS TEXT)",
    "CAST(x'c328' AS TEXT)",
    "CAST(x'7b2261223a2022ff227d' AS TEXT)",
    "CAST(x'eda080' AS TEXT)",
    "CAST(x'610062' AS TEXT)",
    "CAST(x'00' AS TEXT)",
];

const TIMES: &[&str] = &[
    "'2026-01-01'",
    "'infinity'",
    "'-infinity'",
    "'4713-01-01 BC'",
    "'294276-12-31 23:59:59.999999'",
    "'epoch'",
];

/// The keys that the typed messages of the contract know, and further keys.
static KEYS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let known = wire::paths().into_iter().map(|(path, _)| path);
    let known = known.filter_map(|path| Some(path.rsplit_once('.')?.1.to_owned()));
    let odd = ["", "a b", "\"", "__proto__", "ключ", "\u{10ffff}", "a.b[0]"];
    known.chain(odd.map(ToOwned::to_owned)).collect()
});

pub struct Values<'a> {
    pub dice: &'a Dice,
    pub backend: Backend,
    /// Ids that what refers to something may refer to.
    pub ids: Range<i64>,
}

impl Values<'_> {
    pub fn of(&self, column: &Column) -> String {
        if column.nullable && self.dice.happens(12) {
            return "NULL".to_owned();
        }
        match column.kind {
            Kind::Integer { largest } if column.name.ends_with("_id") => match self.dice.roll(10) {
                0..=6 => self.id(&column.name),
                // Of nothing, and of none of the healthy.
                _ => self.integer(largest, &[-2, -1, 0]),
            },
            Kind::Integer { largest } => {
                self.integer(largest, &[-2, -1, 0, 1, 2, 3, 4, 6, 7, 8, 15, 23, 59, 100])
            }
            Kind::Text { longest } => self.text(longest),
            Kind::Json => self.json(),
            Kind::Boolean => self.boolean(),
            Kind::Time => (*self.dice.pick(TIMES)).to_owned(),
        }
    }

    fn is_sqlite(&self) -> bool {
        self.backend == Backend::Sqlite
    }

    /// Of something that may be there. Viewers are few.
    fn id(&self, column: &str) -> String {
        let ids = match column {
            "user_id" | "agent_bot_id" => 3,
            _ => usize::try_from(self.ids.end - self.ids.start).unwrap(),
        };
        let id = self.ids.start + i64::try_from(self.dice.roll(ids)).unwrap();
        if !self.is_sqlite() {
            return id.to_string();
        }
        match self.dice.roll(12) {
            0 => format!("'{id}x'"),
            1 => format!("{id}.5"),
            2 => format!("' {id} '"),
            3 => format!("CAST('{id}' AS BLOB)"),
            _ => id.to_string(),
        }
    }

    fn integer(&self, largest: i64, small: &[i64]) -> String {
        if self.is_sqlite() && self.dice.happens(25) {
            const OTHERS: [&str; 13] = [
                "'x'", "''", "'1x'", "'0x1'", "'1e3'", "0.5", "1.5", "-1.5", "1e300", "9e999",
                "-9e999", "x'31'", "x'ff'",
            ];
            return (*self.dice.pick(&OTHERS)).to_owned();
        }
        match self.dice.roll(6) {
            // SQLite takes the least number for a float, but for this spelling.
            0 => format!("({} - 1)", -largest),
            1 => largest.to_string(),
            2 => (largest / 2 + 1).to_string(),
            _ => self.dice.pick(small).to_string(),
        }
    }

    fn boolean(&self) -> String {
        const SOUND: [&str; 2] = ["true", "false"];
        const OTHERS: [&str; 17] = [
            "2", "-1", "256", "'x'", "'t'", "'f'", "'true'", "''", "'1'", "' 0 '", "1.5", "0.5",
            "-0.5", "9e999", "x''", "x'01'", "x'ff'",
        ];
        let sound = !self.is_sqlite() || self.dice.happens(40);
        let choice: &[&str] = if sound { &SOUND } else { &OTHERS };
        (*self.dice.pick(choice)).to_owned()
    }

    pub fn text(&self, longest: Option<usize>) -> String {
        if self.is_sqlite() && self.dice.happens(8) {
            return (*self.dice.pick(BYTES)).to_owned();
        }
        let text = match self.dice.roll(100) {
            0..=1 => self.huge(),
            // Not more than PostgreSQL's indexes take.
            2..=4 => self.json_text().chars().take(600).collect(),
            5..=39 => (*self.dice.pick(TEXTS)).to_owned(),
            _ => self.characters(40),
        };
        let text: String = text.chars().take(longest.unwrap_or(usize::MAX)).collect();
        self.quoted(&text)
    }

    /// A text as a literal: as it stands there, but for what a statement cannot
    /// hold.
    pub fn quoted(&self, text: &str) -> String {
        if self.is_sqlite() && text.contains('\0') {
            let mut hex = String::new();
            for byte in text.bytes() {
                write!(hex, "{byte:02x}").unwrap();
            }
            return format!("CAST(x'{hex}' AS TEXT)");
        }
        format!("'{}'", text.replace('\'', "''"))
    }

    /// Of every plane, and of no sense. PostgreSQL has no NUL.
    fn characters(&self, most: usize) -> String {
        let least = usize::from(!self.is_sqlite());
        let characters = (0..self.dice.roll(most)).filter_map(|_| {
            let letter = match self.dice.roll(7) {
                0 => least + self.dice.roll(0x1f),
                1 | 2 => 0x20 + self.dice.roll(0x5f),
                3 => 0x80 + self.dice.roll(0x80),
                4 => 0x100 + self.dice.roll(0xff00),
                5 => 0x1_0000 * (1 + self.dice.roll(16)) + self.dice.roll(0x1_0000),
                _ => 0x1_f300 + self.dice.roll(0x300),
            };
            char::from_u32(u32::try_from(letter).unwrap())
        });
        characters.collect()
    }

    /// A hundred kilobytes. Of one piece, because PostgreSQL's indexes take such
    /// a text only where it can be compressed.
    fn huge(&self) -> String {
        let mut piece = self.characters(6);
        piece.push('x');
        piece.repeat(100_000 / piece.len())
    }

    fn json(&self) -> String {
        if self.is_sqlite() && self.dice.happens(5) {
            return (*self.dice.pick(BYTES)).to_owned();
        }
        self.quoted(&self.json_text())
    }

    fn json_text(&self) -> String {
        if self.is_sqlite() && self.dice.happens(15) {
            return (*self.dice.pick(DAMAGED)).to_owned();
        }
        match self.dice.roll(10) {
            0 => {
                let depth = 10 + self.dice.roll(491);
                let shape = self.dice.roll(3);
                let (mut open, mut close) = (String::new(), String::new());
                for level in 0..depth {
                    let object = shape == 0 || shape == 1 && level % 2 == 0;
                    open.push_str(if object { r#"{"d":"# } else { "[" });
                    close.insert(0, if object { '}' } else { ']' });
                }
                format!("{open}{}{close}", self.json_value(1))
            }
            1 => self.json_value(0),
            _ => self.json_value(4),
        }
    }

    /// Of at most so many levels.
    fn json_value(&self, levels: usize) -> String {
        let text = |most| serde_json::to_string(&self.characters(most)).unwrap();
        let sides = if levels == 0 { 7 } else { 12 };
        match self.dice.roll(sides) {
            0 => "null".to_owned(),
            1 => "true".to_owned(),
            2 => "false".to_owned(),
            3 | 4 => (*self.dice.pick(NUMBERS)).to_owned(),
            5 => text(20),
            6 if self.dice.happens(5) => serde_json::to_string(&self.huge()).unwrap(),
            6 => serde_json::to_string(self.dice.pick(&TEXTS[..17])).unwrap(),
            7 | 8 => {
                let elements = (0..self.dice.roll(6)).map(|_| self.json_value(levels - 1));
                format!("[{}]", elements.collect::<Vec<_>>().join(","))
            }
            _ => {
                let entries = (0..self.dice.roll(8)).map(|_| {
                    let key = match self.dice.roll(20) {
                        0 => text(30),
                        1 => format!("\"{}\"", "k".repeat(400)),
                        _ => serde_json::to_string(self.dice.pick(&KEYS)).unwrap(),
                    };
                    format!("{key}: {}", self.json_value(levels - 1))
                });
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
