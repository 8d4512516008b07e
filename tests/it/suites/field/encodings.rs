//! Databases of other encodings than UTF-8: what they cannot spell is not found, and what
//! they can is found.

use crate::{
    suites::finding::{BOT_TOKEN, PLACES, accounts, everywhere, found, rows, within},
    support::{
        Backend, Client, Database, Program, cluster::Cluster, pb::find_inboxes_request::Key, viewer,
    },
};

/// Encodings of PostgreSQL's, each with some letters that it has. (A client of UTF-8, as
/// this service is, cannot use MULE_INTERNAL at all.)
const ENCODINGS: [(&str, &str); 14] = [
    ("SQL_ASCII", "жé漢"),
    ("LATIN1", "éÿ"),
    ("LATIN2", "łé"),
    ("LATIN9", "Šé€"),
    ("WIN1252", "é€"),
    ("WIN1251", "ж"),
    ("WIN874", "ก"),
    ("KOI8R", "ж"),
    ("ISO_8859_7", "λ"),
    ("EUC_JP", "漢ж"),
    ("EUC_JIS_2004", "漢ж"),
    ("EUC_KR", "한"),
    ("EUC_CN", "汉"),
    ("EUC_TW", "漢"),
];

/// A letter that none of them has.
const NOWHERE: &str = "\u{10348}";

/// leadchat's tables in a database of an encoding, whose texts are ordered by their bytes.
fn database(encoding: &str) -> Database {
    ordered(encoding, "")
}

/// The same in the order of a language.
pub(super) fn ordered(encoding: &str, locale: &str) -> Database {
    let database = Database::unique();
    let name = database.name();
    let cluster = Cluster::shared();
    cluster.psql(
        "postgres",
        &format!(
            "CREATE DATABASE {name} TEMPLATE template0 ENCODING '{encoding}'
                LOCALE 'C' {locale}"
        ),
    );
    cluster.psql(name, include_str!("../../../golden/leadchat_tables.sql"));
    // Rows need no more than what is looked for.
    cluster.psql(
        name,
        "SELECT format('ALTER TABLE %I ALTER %I DROP NOT NULL', table_name, column_name)
        FROM information_schema.columns
        WHERE table_schema = 'public' AND is_nullable = 'NO' AND column_name <> 'id'
            AND table_name LIKE 'channel\\_%' \\gexec",
    );
    database
}

async fn finds(client: &Client, key: fn(String) -> Key, text: &str, inboxes: &[i64], what: &str) {
    let key = || key(text.to_owned());
    let over_all = found(client, everywhere(key())).await;
    assert_eq!(over_all, inboxes, "{what}: {text}");
    let of_account = found(client, within(1, viewer::service(), key())).await;
    assert_eq!(of_account, inboxes, "{what}: {text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_outside_the_encoding_is_not_found() {
    for (encoding, characters) in ENCODINGS {
        let database = database(encoding);
        accounts(&database, [1]).await;
        let places = PLACES.iter().chain([&BOT_TOKEN]);
        let rows = (1..)
            .zip(places.clone())
            .map(|(id, (_, class, table, column))| {
                format!(
                    "INSERT INTO {table} (id, {column}) VALUES ({id}, '{characters}{id}');
                    INSERT INTO inboxes (id, account_id, channel_id, channel_type, name,
                            created_at, updated_at)
                        VALUES ({id}, 1, {id}, 'Channel::{class}', 'n', now(), now());"
                )
            });
        database.execute(&rows.collect::<String>()).await;
        let server = Program::serving(&database).start();
        let client = server.client().await;
        let mut kinds = 0;
        for (id, (key, _, table, column)) in (1..).zip(places) {
            let what = format!("{encoding}, {table}.{column}");
            let known = format!("{characters}{id}");
            finds(&client, *key, &known, &[id], &what).await;
            for unknown in [
                NOWHERE.to_owned(),
                format!("{NOWHERE}{known}"),
                format!("{known}{NOWHERE}"),
                format!("{characters}{NOWHERE}{id}"),
            ] {
                finds(&client, *key, &unknown, &[], &what).await;
            }
            kinds += 1;
        }
        assert_eq!(kinds, 16);
    }
}

/// Signs that are not seen are no part of a number, whatever the database has of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_between_characters_outside_the_encoding_is_found() {
    for encoding in ["LATIN1", "EUC_JP"] {
        let database = database(encoding);
        accounts(&database, [1]).await;
        let number = "phone_number";
        rows(
            &database,
            Backend::Postgres,
            &[
                (1, 1, "Sms", number, "'+15550001'"),
                (2, 1, "Whatsapp", number, "'+5541999998888'"),
                (3, 1, "TwilioSms", number, "'whatsapp:+15550001'"),
                (4, 1, "Voice", number, "'+1§555'"),
            ],
        )
        .await;
        let server = Program::serving(&database).start();
        let client = server.client().await;
        for (text, inboxes) in [
            ("\u{202a}+15550001\u{202c}", vec![1, 3]),
            ("\u{202a}whatsapp:\u{202a}+1 555 0001\u{202c}", vec![1, 3]),
            ("+1\u{a0}555\u{200b}0001", vec![1, 3]),
            ("\u{ff0b}1\u{665}\u{665}\u{665}\u{ff10}001", vec![1, 3]),
            ("\u{202a}+554199998888\u{202c}", vec![2]),
            // As it is stored, beside what cannot be.
            ("\u{2003}+1§555", vec![4]),
        ] {
            finds(&client, Key::PhoneNumber, text, &inboxes, encoding).await;
        }
    }
}

/// A letter may have a form that the encoding lacks: the other is found, in whatever order
/// texts are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_is_found_in_the_forms_of_the_encoding() {
    for locale in [
        "",
        "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'",
        "LOCALE_PROVIDER icu ICU_LOCALE 'da-DK'",
    ] {
        let database = ordered("LATIN1", locale);
        accounts(&database, [1]).await;
        let both = "email, forward_to_email";
        rows(
            &database,
            Backend::Postgres,
            &[
                (1, 1, "Email", both, "'ÿves@É.example', 'f1'"),
                (2, 1, "Email", both, "'ÿÀÿ@x', 'f2'"),
                (3, 1, "Email", both, "'ÿ', 'f3'"),
                (4, 1, "Email", both, "'çay@x', 'ÇAY@X'"),
            ],
        )
        .await;
        let server = Program::serving(&database).start();
        let client = server.client().await;
        for (text, inboxes) in [
            ("ÿves@é.example", vec![1]),
            // Its upper case is no letter of this encoding.
            ("ŸVES@É.EXAMPLE", vec![1]),
            ("ŸàŸ@X", vec![2]),
            ("Ÿ", vec![3]),
            ("çAY@X", vec![4]),
            ("ÇAY@ж", vec![]),
            ("ж", vec![]),
            ("Ÿж", vec![]),
        ] {
            finds(&client, Key::Email, text, &inboxes, locale).await;
        }
        finds(&client, Key::ForwardToEmail, "çay@x", &[4], locale).await;
    }
}

/// However many letters there are, and wherever the one is that is not spelled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_outside_the_encoding_is_found_by_few_statements() {
    let database = database("LATIN1");
    accounts(&database, [1]).await;
    let server = Program::serving(&database).with_admin().start();
    let client = server.client().await;
    let many: String = ('\u{a1}'..='\u{ff}').collect();
    for text in [
        format!("{many}ж"),
        format!("ж{many}"),
        format!("{many}ж{many}"),
    ] {
        let before = server.statements().await;
        finds(&client, Key::Email, &text, &[], "LATIN1").await;
        let statements = server.statements().await - before;
        println!(
            "{statements} statements for two look-ups of {} characters",
            text.chars().count()
        );
        assert!(statements <= 60, "{statements}");
    }
}
