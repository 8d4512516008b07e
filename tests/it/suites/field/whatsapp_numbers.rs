//! WhatsApp writes some numbers with a digit more or less than their country: both forms
//! find an inbox, if it is one for WhatsApp.

use crate::{
    suites::finding::{accounts, everywhere, found, rows, within},
    support::{Backend, Client, Program, pb::find_inboxes_request::Key, viewer},
};

on_both_databases!(
    both_forms_of_a_number_find_a_whatsapp_inbox,
    the_number_itself_comes_before_its_other_form,
);

const COLUMN: &str = "phone_number";

async fn find(client: &Client, number: &str) -> Vec<i64> {
    found(client, everywhere(Key::PhoneNumber(number.to_owned()))).await
}

async fn both_forms_of_a_number_find_a_whatsapp_inbox(backend: Backend) {
    let database = backend.empty();
    accounts(&database, [1, 2]).await;
    rows(
        &database,
        backend,
        &[
            // Brazil, Argentina and Mexico; stored as the country writes them, and as
            // WhatsApp does.
            (1, 1, "Whatsapp", COLUMN, "'+5541999998888'"),
            (2, 1, "Whatsapp", COLUMN, "'+555433337777'"),
            (3, 1, "Whatsapp", COLUMN, "'+541112345678'"),
            (4, 1, "Whatsapp", COLUMN, "'+5492211234567'"),
            (5, 2, "Whatsapp", COLUMN, "'+525512345678'"),
            (6, 2, "Whatsapp", COLUMN, "'+5213312345678'"),
            (7, 1, "TwilioSms", COLUMN, "'whatsapp:+5541999990000'"),
            (8, 1, "TwilioSms", COLUMN, "'whatsapp:+554188880000'"),
            // These are no numbers of WhatsApp's.
            (11, 1, "TwilioSms", COLUMN, "'+5541999998888'"),
            (12, 1, "Sms", COLUMN, "'+5541999998888'"),
            (13, 1, "Voice", COLUMN, "'+5541999998888'"),
        ],
    )
    .await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    for (one, other, inbox) in [
        ("5541999998888", "554199998888", 1),
        ("555433337777", "5554933337777", 2),
        ("541112345678", "5491112345678", 3),
        ("5492211234567", "542211234567", 4),
        ("525512345678", "5215512345678", 5),
        ("5213312345678", "523312345678", 6),
        ("5541999990000", "554199990000", 7),
        ("554188880000", "5541988880000", 8),
    ] {
        for prefix in ["", "+", "whatsapp:+", "\u{202a}+"] {
            let itself = find(&client, &format!("{prefix}{one}")).await;
            assert!(itself.contains(&inbox), "{prefix}{one}: {itself:?}");
            let by_other = find(&client, &format!("{prefix}{other}")).await;
            assert_eq!(by_other, [inbox], "{prefix}{other}");
        }
    }
    assert_eq!(find(&client, "+5541999998888").await, [1, 11, 12, 13]);
    // Also with other signs, and within an account.
    assert_eq!(find(&client, "+55 (41) 9999-8888").await, [1]);
    for (account, inboxes) in [(1, vec![1]), (2, vec![])] {
        let key = Key::PhoneNumber("+554199998888".to_owned());
        let request = within(account, viewer::service(), key);
        assert_eq!(found(&client, request).await, inboxes);
    }
    // Neither a digit elsewhere, nor another country, nor another length.
    for other in [
        "+554199998889",
        "+5541899998888",
        "+15541999998888",
        "+55419999988",
        "+5411912345678",
    ] {
        assert_eq!(find(&client, other).await, [0; 0], "{other}");
    }
}

/// As with leadchat, which looks for the other form where it finds nothing else.
async fn the_number_itself_comes_before_its_other_form(backend: Backend) {
    let database = backend.empty();
    accounts(&database, [1, 2]).await;
    rows(
        &database,
        backend,
        &[
            (1, 1, "Whatsapp", COLUMN, "'+5541933334444'"),
            (2, 2, "Whatsapp", COLUMN, "'+554133334444'"),
            (3, 2, "TwilioSms", COLUMN, "'whatsapp:+554133334444'"),
            (4, 1, "TwilioSms", COLUMN, "'+5541933334444'"),
            (5, 1, "Sms", COLUMN, "'+5541933334444'"),
        ],
    )
    .await;
    let server = Program::serving(&database).start();
    let client = server.client().await;
    // Each kind for itself, whatever is found of the others.
    assert_eq!(find(&client, "+5541933334444").await, [1, 4, 5, 3]);
    assert_eq!(find(&client, "+554133334444").await, [2, 3]);
    // The number is that of an inbox of another account.
    let key = Key::PhoneNumber("+554133334444".to_owned());
    let request = within(1, viewer::service(), key);
    assert_eq!(found(&client, request).await, [0; 0]);
    // A channel without an inbox has no number.
    database.execute("DELETE FROM inboxes WHERE id = 2").await;
    assert_eq!(find(&client, "+554133334444").await, [1, 3]);
}
