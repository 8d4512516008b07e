//! Any JSON column, all the way to the wire and back.

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::Message;

use super::super::*;
use crate::{
    domain::{
        channel::web_widget::PreChatFormOptions,
        inbox::{AutoAssignmentConfig, CsatConfig},
    },
    grpc::pb,
    tests::{damaged_one_of, for_all, json},
};

const SAMPLES: [&str; 5] = [
    r#"{"display_type":"emoji","message":"m","button_text":"b","language":"en","survey_rules":
        {"operator":"contains","values":["a","b"],"more":[]},"template":{"name":"n","template_id":
        "1","created_at":"c","language":"l","friendly_name":"f","content_sid":"s","approval_sid":
        "a","status":"approved","more":{}},"more":1}"#,
    r#"{"max_assignment_limit":5,"more":[1e999,null]}"#,
    r#"{"pre_chat_message":"m","require_email":true,"pre_chat_fields":[{"field_type":"f","label":
        "l","placeholder":"p","name":"n","enabled":true,"type":"text","required":false,"locale":
        "en","values":["v"],"regex_pattern":"r","regex_cue":"c","more":0}],"more":""}"#,
    r#"{"max_assignment_limit":2147483648,"survey_rules":[],"template":null,"values":[1,"a"]}"#,
    r#"[[{"pre_chat_fields":[{}]}],{"d":{"d":{"d":{"d":{"d":{"d":{"d":[[[[[[1]]]]]]}}}}}}}]"#,
];

#[test]
fn what_is_read_arrives_whole() {
    let texts = prop_oneof![
        damaged_one_of(&SAMPLES),
        (json::tree(), json::space()).prop_map(|(tree, space)| tree.text(space)),
    ];
    for_all(120, texts, |text| {
        let mut degradations = Vec::new();
        let Some(json) = Json::read(&text, "c", &mut degradations) else {
            return;
        };
        // Response, event of a stream, inbox, channel, typed message, element.
        assert!(6 + messages(&value(&json)) <= 100);

        let sent = pb::ListInboxesResponse {
            inboxes: vec![
                inbox(pb::inbox::Channel::WebWidget(pb::WebWidgetChannel {
                    pre_chat_form_options: Some((&PreChatFormOptions::from(json.clone())).into()),
                    ..Default::default()
                })),
                pb::Inbox {
                    csat_config: Some((&CsatConfig::from(json.clone())).into()),
                    auto_assignment_config: Some(
                        (&AutoAssignmentConfig::from(json.clone())).into(),
                    ),
                    ..inbox(pb::inbox::Channel::Api(pb::ApiChannel {
                        additional_attributes: Some(value(&json)),
                        ..Default::default()
                    }))
                },
            ],
            ..Default::default()
        };
        let arrived = pb::ListInboxesResponse::decode(sent.encode_to_vec().as_slice()).unwrap();
        assert!(arrived == sent);

        let columns: Vec<_> = arrived.inboxes.into_iter().flat_map(columns).collect();
        assert_eq!(columns, vec![json; 4]);
    });
}

fn inbox(channel: pb::inbox::Channel) -> pb::Inbox {
    pb::Inbox {
        channel: Some(channel),
        ..Default::default()
    }
}

/// How many messages are nested in this one, itself included.
fn messages(value: &Value) -> usize {
    match value.kind.as_ref().unwrap() {
        Kind::ListValue(list) => {
            let deepest = list.values.iter().map(messages).max();
            2 + deepest.unwrap_or_default()
        }
        // With one for the entry of the map.
        Kind::StructValue(object) => {
            let deepest = object.fields.values().map(messages).max();
            2 + deepest.map_or(0, |deepest| 1 + deepest)
        }
        _ => 1,
    }
}

/// The columns of an inbox, as they were before they became messages.
fn columns(inbox: pb::Inbox) -> Vec<Json> {
    let csat_config = inbox.csat_config.map(of_csat_config);
    let auto_assignment_config = inbox.auto_assignment_config.map(of_auto_assignment_config);
    let of_channel = match inbox.channel.unwrap() {
        pb::inbox::Channel::WebWidget(channel) => {
            channel.pre_chat_form_options.map(of_pre_chat_form_options)
        }
        pb::inbox::Channel::Api(channel) => channel.additional_attributes.map(of_value),
        _ => None,
    };
    [csat_config, auto_assignment_config, of_channel]
        .into_iter()
        .flatten()
        .collect()
}

fn of_csat_config(config: pb::CsatConfig) -> Json {
    let pb::CsatConfig {
        display_type,
        message,
        button_text,
        language,
        survey_rules,
        template,
        unrecognized,
    } = config;
    whole(
        [
            ("display_type", of_text(display_type)),
            ("message", of_text(message)),
            ("button_text", of_text(button_text)),
            ("language", of_text(language)),
            ("survey_rules", survey_rules.map(of_survey_rules)),
            ("template", template.map(of_template)),
        ],
        unrecognized,
    )
}

fn of_survey_rules(rules: pb::CsatSurveyRules) -> Json {
    let pb::CsatSurveyRules {
        operator,
        values,
        unrecognized,
    } = rules;
    let entries = [
        ("operator", of_text(operator)),
        ("values", of_texts(values)),
    ];
    whole(entries, unrecognized)
}

fn of_template(template: pb::CsatTemplate) -> Json {
    let pb::CsatTemplate {
        name,
        template_id,
        created_at,
        language,
        friendly_name,
        content_sid,
        approval_sid,
        status,
        unrecognized,
    } = template;
    whole(
        [
            ("name", of_text(name)),
            ("template_id", of_text(template_id)),
            ("created_at", of_text(created_at)),
            ("language", of_text(language)),
            ("friendly_name", of_text(friendly_name)),
            ("content_sid", of_text(content_sid)),
            ("approval_sid", of_text(approval_sid)),
            ("status", of_text(status)),
        ],
        unrecognized,
    )
}

fn of_auto_assignment_config(config: pb::AutoAssignmentConfig) -> Json {
    let pb::AutoAssignmentConfig {
        max_assignment_limit,
        unrecognized,
    } = config;
    let limit = max_assignment_limit.map(|limit| Json::Number(limit.into()));
    whole([("max_assignment_limit", limit)], unrecognized)
}

fn of_pre_chat_form_options(options: pb::PreChatFormOptions) -> Json {
    let pb::PreChatFormOptions {
        pre_chat_message,
        require_email,
        pre_chat_fields,
        unrecognized,
    } = options;
    let fields: Vec<_> = pre_chat_fields.into_iter().map(of_pre_chat_field).collect();
    whole(
        [
            ("pre_chat_message", of_text(pre_chat_message)),
            ("require_email", require_email.map(Json::Bool)),
            ("pre_chat_fields", of_list(fields)),
        ],
        unrecognized,
    )
}

fn of_pre_chat_field(field: pb::PreChatField) -> Json {
    let pb::PreChatField {
        field_type,
        label,
        placeholder,
        name,
        enabled,
        r#type,
        required,
        locale,
        values,
        regex_pattern,
        regex_cue,
        unrecognized,
    } = field;
    whole(
        [
            ("field_type", of_text(field_type)),
            ("label", of_text(label)),
            ("placeholder", of_text(placeholder)),
            ("name", of_text(name)),
            ("enabled", enabled.map(Json::Bool)),
            ("type", of_text(r#type)),
            ("required", required.map(Json::Bool)),
            ("locale", of_text(locale)),
            ("values", of_texts(values)),
            ("regex_pattern", of_text(regex_pattern)),
            ("regex_cue", of_text(regex_cue)),
        ],
        unrecognized,
    )
}

fn of_text(text: Option<String>) -> Option<Json> {
    text.map(Json::String)
}

fn of_texts(texts: Vec<String>) -> Option<Json> {
    of_list(texts.into_iter().map(Json::String).collect())
}

fn of_list(list: Vec<Json>) -> Option<Json> {
    (!list.is_empty()).then_some(Json::Array(list))
}

/// What was taken, together with what was not.
fn whole<const N: usize>(taken: [(&str, Option<Json>); N], unrecognized: Option<Value>) -> Json {
    let taken = taken
        .into_iter()
        .filter_map(|(key, json)| Some((key.to_owned(), json?)));
    let mut entries: BTreeMap<_, _> = taken.collect();
    match unrecognized.map(of_value) {
        None => {}
        Some(Json::Object(rest)) => {
            let length = entries.len() + rest.len();
            entries.extend(rest);
            assert_eq!(entries.len(), length, "a key is there twice");
        }
        // It was no object.
        Some(other) if entries.is_empty() => return other,
        Some(other) => panic!("{other:?} beside {entries:?}"),
    }
    Json::Object(entries)
}

fn of_value(value: Value) -> Json {
    match value.kind.unwrap() {
        Kind::NullValue(_) => Json::Null,
        Kind::BoolValue(value) => Json::Bool(value),
        Kind::NumberValue(number) => Json::Number(number),
        Kind::StringValue(text) => Json::String(text),
        Kind::ListValue(list) => Json::Array(list.values.into_iter().map(of_value).collect()),
        Kind::StructValue(object) => {
            let entries = object.fields.into_iter();
            Json::Object(entries.map(|(key, it)| (key, of_value(it))).collect())
        }
    }
}
