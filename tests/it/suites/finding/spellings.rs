//! Addresses are found however they are written: telephone numbers with any signs,
//! mail in any case and on databases of any order.

use super::*;

pub async fn phone_numbers_are_found_in_every_spelling(backend: Backend) {
    let database = backend.empty();
    accounts(&database, [1]).await;
    let number = "phone_number";
    rows(
        &database,
        backend,
        &[
            (1, 1, "TwilioSms", number, "'whatsapp:+15550001'"),
            (2, 1, "Sms", number, "'+15550001'"),
            (3, 1, "Whatsapp", number, "'15550001'"),
            (4, 1, "Voice", number, "'whatsapp:15550001'"),
            (5, 1, "Sms", number, "'+15550002'"),
            (6, 1, "Sms", number, "'+115550001'"),
            (7, 1, "Voice", number, "'+1 555 0003'"),
        ],
    )
    .await;
    let server = Program::caching(&database).start();
    let client = server.client().await.asking_twice();
    for spelled in [
        "+15550001",
        "15550001",
        "whatsapp:+15550001",
        "whatsapp:15550001",
        "WhatsApp:+15550001",
        "+1 (555) 00-01",
        " 1.555.0001 ",
        "\u{202a}whatsapp:\u{202a}+1 555 0001\u{202c}",
        "\u{ff0b}1\u{665}\u{665}\u{665}\u{ff10}001",
    ] {
        let ids = found(&client, everywhere(Key::PhoneNumber(spelled.to_owned()))).await;
        assert_eq!(ids, [1, 2, 3, 4], "{spelled}");
    }
    for (spelled, ids) in [
        ("5550001", vec![]),
        ("+1 555 0003", vec![7]),
        ("+15550002", vec![5]),
    ] {
        let key = Key::PhoneNumber(spelled.to_owned());
        assert_eq!(found(&client, everywhere(key)).await, ids, "{spelled}");
    }
    client.ask_again(&server).await;
}

pub async fn mail_addresses_are_found_whatever_their_case(backend: Backend) {
    let database = backend.empty();
    accounts(&database, [1]).await;
    mail(&database, backend).await;
    let server = Program::serving(&database).start();
    finds_mail(&server.client().await).await;
}

/// Where texts are ordered by what a letter is before by its case.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_addresses_are_found_in_a_dictionarys_order() {
    let cluster = Cluster::shared();
    for (name, locale) in [
        ("english", "en-US"),
        ("swedish_capitals_first", "sv-SE-u-kf-upper"),
        ("danish", "da-DK"),
        ("turkish", "tr-TR"),
    ] {
        cluster.psql(
            "postgres",
            &format!(
                "CREATE DATABASE {name} TEMPLATE template0 LOCALE 'C'
                LOCALE_PROVIDER icu ICU_LOCALE '{locale}'"
            ),
        );
        cluster.psql(name, include_str!("../../../golden/leadchat_tables.sql"));
        let database = Database::Postgres {
            name: name.to_owned(),
        };
        accounts(&database, [1]).await;
        mail(&database, Backend::Postgres).await;
        let server = Program::serving(&database).start();
        finds_mail(&server.client().await).await;
    }
}

/// Rows that lie between, next to, and around those looked for.
async fn mail(database: &Database, backend: Backend) {
    let both = "email, forward_to_email";
    let addresses = [
        "'Support@Example.com', 'F1@in.test'",
        "'SUPPORT@EXAMPLE.COM', 'f2@IN.test'",
        "'support@example.com', 'Ünder@Straße.test'",
        "'support@example.co', 'f4'",
        "'support@example.comm', 'f5'",
        "'upport@example.com', 'f6'",
        "'Zsupport@example.com', 'f7'",
        "'zz', 'f8'",
        "'A', 'f9'",
        "'s_pport@example.com', 'f10'",
        "'s%', 'f11'",
        "'MariaAndersen@Example.dk', 'f12'",
        "'Ali.Ispir+a@Example.tr', 'f13'",
        "'INFO@x', 'f14'",
        "'info@x', 'f15'",
    ];
    let ids = 1..;
    let addresses: Vec<_> = ids
        .zip(addresses)
        .map(|(id, values)| (id, 1, "Email", both, values))
        .collect();
    rows(database, backend, &addresses).await;
}

async fn finds_mail(client: &Client) {
    for spelled in [
        "support@example.com",
        "SUPPORT@example.COM",
        "sUPPORT@eXAMPLE.com",
    ] {
        let ids = found(client, everywhere(Key::Email(spelled.to_owned()))).await;
        assert_eq!(ids, [1, 2, 3], "{spelled}");
    }
    for (spelled, ids) in [
        ("a", vec![9]),
        ("ZZ", vec![8]),
        ("s%", vec![11]),
        ("mariaandersen@example.dk", vec![12]),
        ("MARIAANDERSEN@EXAMPLE.DK", vec![12]),
        ("ali.ispir+a@example.tr", vec![13]),
        ("ALI.ISPIR+A@EXAMPLE.TR", vec![13]),
        ("S_PPORT@example.com", vec![10]),
        ("iNFO@X", vec![14, 15]),
        ("ınfo@x", vec![]),
        ("support@example.c", vec![]),
        ("support@example.com ", vec![]),
        ("'\"\\", vec![]),
        ("\u{1F600}\u{10FFFF}", vec![]),
    ] {
        let key = Key::Email(spelled.to_owned());
        assert_eq!(found(client, everywhere(key)).await, ids, "{spelled}");
    }
    for (spelled, id) in [
        ("f1@IN.TEST", 1),
        ("F2@in.test", 2),
        ("üNDER@STRAßE.TEST", 3),
    ] {
        let key = Key::ForwardToEmail(spelled.to_owned());
        assert_eq!(found(client, everywhere(key)).await, [id], "{spelled}");
    }
}
