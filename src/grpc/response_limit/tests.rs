//! Inboxes of any size, which fit.

use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MessageDescriptor, ReflectMessage, Value,
};

use super::*;

/// The least that may be set.
const LIMIT: ResponseLimit = ResponseLimit::new(256 << 10);

const MEBIBYTE: usize = 1 << 20;

fn descriptor() -> MessageDescriptor {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    pool.get_message_by_name("leadchat.inbox.v1.Inbox").unwrap()
}

fn is_ours(message: &MessageDescriptor) -> bool {
    message.package_name() == "leadchat.inbox.v1"
}

/// A message whose texts, values and lists have about so many bytes each, with the channel of
/// this field.
fn filled(message: &MessageDescriptor, bytes: usize, channel: &str) -> DynamicMessage {
    let mut large = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let is_other = field
            .containing_oneof()
            .is_some_and(|oneof| oneof.name() == "channel")
            && field.name() != channel;
        if is_other || matches!(field.name(), "etag" | "degradations") {
            continue;
        }
        let one = match field.kind() {
            Kind::String => Value::String("x".repeat(bytes)),
            Kind::Message(inner) if is_ours(&inner) && !field.is_list() => {
                Value::Message(filled(&inner, bytes, ""))
            }
            // Each has a few bytes.
            Kind::Message(inner) if is_ours(&inner) => Value::Message(DynamicMessage::new(inner)),
            Kind::Message(inner) => {
                let mut value = DynamicMessage::new(inner);
                value.set_field_by_name("string_value", Value::String("x".repeat(bytes)));
                Value::Message(value)
            }
            Kind::Bool => Value::Bool(true),
            Kind::Int32 => Value::I32(i32::MIN),
            Kind::Int64 => Value::I64(i64::MIN),
            Kind::Enum(_) => Value::EnumNumber(1),
            kind => panic!("what is a large {kind:?}?"),
        };
        let value = match (field.is_list(), &one) {
            (false, _) => one,
            (true, Value::String(_)) => Value::List(vec![one]),
            (true, _) => Value::List(vec![one; bytes / 4]),
        };
        large.set_field(&field, value);
    }
    large
}

fn decoded(message: &DynamicMessage) -> pb::Inbox {
    pb::Inbox::decode(message.encode_to_vec().as_slice()).unwrap()
}

fn omitted(inbox: &pb::Inbox) -> Vec<&str> {
    let too_large = |it: &&pb::Degradation| it.reason() == DegradationReason::TooLarge;
    let omitted = inbox.degradations.iter().filter(too_large);
    omitted.map(|it| it.field.as_str()).collect()
}

/// Whether a message says anything at a path.
fn is_there(message: &DynamicMessage, path: &str) -> bool {
    let (first, rest) = path
        .split_once('.')
        .map_or((path, None), |(a, b)| (a, Some(b)));
    let field = message.descriptor().get_field_by_name(first).unwrap();
    match rest {
        None => message.has_field(&field),
        Some(rest) => is_there(message.get_field(&field).as_message().unwrap(), rest),
    }
}

/// Each text, value and list of the contract, by its path.
fn large_values(message: &MessageDescriptor, prefix: &str, paths: &mut Vec<String>) {
    for field in message.fields() {
        let path = format!("{prefix}{}", field.name());
        match field.kind() {
            _ if matches!(path.as_str(), "etag" | "degradations") => {}
            Kind::Message(inner) if is_ours(&inner) && !field.is_list() => {
                large_values(&inner, &format!("{path}."), paths);
            }
            Kind::String | Kind::Message(_) => paths.push(path),
            _ if field.is_list() => paths.push(path),
            _ => {}
        }
    }
}

#[test]
fn large_values_fit_into_the_minimum_limit() {
    let descriptor = descriptor();
    let channel = descriptor
        .oneofs()
        .find(|oneof| oneof.name() == "channel")
        .unwrap();
    let mut all_omitted = BTreeSet::new();
    let mut channels = 0;
    for channel in channel.fields() {
        let message = filled(&descriptor, MEBIBYTE, channel.name());
        let mut inbox = decoded(&message);
        LIMIT.fit(&mut inbox);
        assert!(
            inbox.encoded_len() <= LIMIT.bytes - RESERVED_BYTES,
            "{}",
            channel.name()
        );
        let shown = DynamicMessage::decode(descriptor.clone(), inbox.encode_to_vec().as_slice());
        for path in omitted(&inbox) {
            assert!(
                is_there(&message, path) && !is_there(shown.as_ref().unwrap(), path),
                "{path}"
            );
            all_omitted.insert(path.to_owned());
        }
        channels += 1;
    }
    assert_eq!(channels, 13);
    let mut paths = Vec::new();
    large_values(&descriptor, "", &mut paths);
    assert!(paths.len() > 70, "{paths:?}");
    assert_eq!(all_omitted, paths.into_iter().collect());
}

/// Many notes on what is left out go with it.
#[test]
fn degradations_are_omitted_with_their_fields() {
    let note = |field: String| pb::Degradation {
        field,
        reason: DegradationReason::NumberOutOfRange.into(),
    };
    let mut inbox = pb::Inbox {
        working_hours: vec![pb::WorkingHours::default(); 50_000],
        degradations: (0..50_000)
            .map(|row| note(format!("working_hours[{row}].open_hour")))
            .chain([note("working_hours_enabled".to_owned())])
            .collect(),
        ..Default::default()
    };
    LIMIT.fit(&mut inbox);
    let expected = [
        note("working_hours_enabled".to_owned()),
        too_large_degradation("working_hours"),
    ];
    assert!(inbox.degradations == expected);
    assert!(inbox.working_hours.is_empty());
}

/// As much as may come of the JSON columns of one inbox stays.
#[test]
fn the_maximum_of_degradations_fits_into_the_minimum_limit() {
    // 65 for each of five columns, with the longest paths.
    const MAX_PER_COLUMN: usize = 65;
    const MAX_PATH_BYTES: usize = 300;
    let remaining = pb::Degradation {
        field: "x".repeat(MAX_PATH_BYTES),
        reason: DegradationReason::NumberOutOfRange.into(),
    };
    let mut inbox = decoded(&filled(&descriptor(), MEBIBYTE, "web_widget"));
    inbox.degradations = vec![remaining; 5 * MAX_PER_COLUMN];
    LIMIT.fit(&mut inbox);
    assert!(inbox.encoded_len() <= LIMIT.bytes - RESERVED_BYTES);
    assert!(inbox.degradations.len() > 5 * MAX_PER_COLUMN);
}

#[test]
fn the_largest_are_omitted_first_and_no_more_than_needed() {
    let text = |bytes: usize| Some("x".repeat(bytes));
    let room = LIMIT.bytes - RESERVED_BYTES;
    let inbox = |name: usize, greeting: usize, absence: usize| pb::Inbox {
        name: "x".repeat(name),
        greeting_message: text(greeting),
        out_of_office_message: text(absence),
        ..Default::default()
    };
    let fitted = |mut inbox: pb::Inbox| {
        LIMIT.fit(&mut inbox);
        assert!(inbox.encoded_len() <= room);
        omitted(&inbox).join(" ")
    };
    let overhead = inbox(1, 300, 300).encoded_len() - 601 + 2;
    assert_eq!(fitted(inbox(1, room - 300 - overhead, 300)), "");
    assert_eq!(
        fitted(inbox(2, room - 300 - overhead, 300)),
        "greeting_message"
    );
    assert_eq!(fitted(inbox(room, room, 300)), "name greeting_message");
    // Of equal ones, the first.
    assert_eq!(fitted(inbox(9, room - 100, room - 100)), "greeting_message");
    assert_eq!(
        fitted(inbox(9, room - 100, room - 99)),
        "out_of_office_message"
    );
}

#[test]
fn a_page_counts_all_of_its_message() {
    let inbox = |bytes| pb::Inbox {
        name: "x".repeat(bytes),
        ..Default::default()
    };
    for rest in [0, 1, 200, 100_000] {
        let response = |inboxes| pb::ListInboxesResponse {
            inboxes,
            next_page_token: "x".repeat(rest),
            ..Default::default()
        };
        let mut page = PageBuilder::new(LIMIT, &response(Vec::new()), Disclosure::unwritten());
        let mut taken = 0;
        while page.try_push(UndisclosedInbox::public(inbox(997))) {
            taken += 1;
        }
        // Smaller ones would fit, but the order is kept.
        assert!(!page.try_push(UndisclosedInbox::public(inbox(1))));
        assert_eq!(page.inboxes.len(), taken);
        let bytes = response(page.inboxes).encoded_len();
        assert!(
            bytes <= LIMIT.bytes && bytes > LIMIT.bytes - 1100,
            "{bytes}"
        );
    }
}
