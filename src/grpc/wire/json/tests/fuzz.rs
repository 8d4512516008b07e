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
fn json_survives_the_wire() {
    let texts = prop_oneof![
        damaged_one_of(&SAMPLES),
        (json::tree(), json::space()).prop_map(|(tree, space)| tree.text(space)),
    ];
    for_all(120, texts, |text| {
        let mut degradations = Vec::new();
        let Some(json) = Json::read(&text, "c", &mut degradations) else {
            return;
        };
        // Response, inbox, channel, typed message, element, and one level in reserve.
        assert!(6 + messages(&to_value(&json)) <= 100);

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
                        additional_attributes: Some(to_value(&json)),
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
    let csat_config = inbox.csat_config.map(csat_config_to_json);
    let auto_assignment_config = inbox
        .auto_assignment_config
        .map(auto_assignment_config_to_json);
    let channel_json = match inbox.channel.unwrap() {
        pb::inbox::Channel::WebWidget(channel) => channel
            .pre_chat_form_options
            .map(pre_chat_form_options_to_json),
        pb::inbox::Channel::Api(channel) => channel.additional_attributes.map(value_to_json),
        _ => None,
    };
    [csat_config, auto_assignment_config, channel_json]
        .into_iter()
        .flatten()
        .collect()
}

fn csat_config_to_json(config: pb::CsatConfig) -> Json {
    let pb::CsatConfig {
        display_type,
        message,
        button_text,
        language,
        survey_rules,
        template,
        unrecognized,
    } = config;
    merge(
        [
            ("display_type", text_to_json(display_type)),
            ("message", text_to_json(message)),
            ("button_text", text_to_json(button_text)),
            ("language", text_to_json(language)),
            ("survey_rules", survey_rules.map(survey_rules_to_json)),
            ("template", template.map(template_to_json)),
        ],
        unrecognized,
    )
}

fn survey_rules_to_json(rules: pb::CsatSurveyRules) -> Json {
    let pb::CsatSurveyRules {
        operator,
        values,
        unrecognized,
    } = rules;
    let entries = [
        ("operator", text_to_json(operator)),
        ("values", texts_to_json(values)),
    ];
    merge(entries, unrecognized)
}

fn template_to_json(template: pb::CsatTemplate) -> Json {
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
    merge(
        [
            ("name", text_to_json(name)),
            ("template_id", text_to_json(template_id)),
            ("created_at", text_to_json(created_at)),
            ("language", text_to_json(language)),
            ("friendly_name", text_to_json(friendly_name)),
            ("content_sid", text_to_json(content_sid)),
            ("approval_sid", text_to_json(approval_sid)),
            ("status", text_to_json(status)),
        ],
        unrecognized,
    )
}

fn auto_assignment_config_to_json(config: pb::AutoAssignmentConfig) -> Json {
    let pb::AutoAssignmentConfig {
        max_assignment_limit,
        unrecognized,
    } = config;
    let limit = max_assignment_limit.map(|limit| Json::Number(limit.into()));
    merge([("max_assignment_limit", limit)], unrecognized)
}

fn pre_chat_form_options_to_json(options: pb::PreChatFormOptions) -> Json {
    let pb::PreChatFormOptions {
        pre_chat_message,
        require_email,
        pre_chat_fields,
        unrecognized,
    } = options;
    let fields: Vec<_> = pre_chat_fields
        .into_iter()
        .map(pre_chat_field_to_json)
        .collect();
    merge(
        [
            ("pre_chat_message", text_to_json(pre_chat_message)),
            ("require_email", require_email.map(Json::Bool)),
            ("pre_chat_fields", list_to_json(fields)),
        ],
        unrecognized,
    )
}

fn pre_chat_field_to_json(field: pb::PreChatField) -> Json {
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
    merge(
        [
            ("field_type", text_to_json(field_type)),
            ("label", text_to_json(label)),
            ("placeholder", text_to_json(placeholder)),
            ("name", text_to_json(name)),
            ("enabled", enabled.map(Json::Bool)),
            ("type", text_to_json(r#type)),
            ("required", required.map(Json::Bool)),
            ("locale", text_to_json(locale)),
            ("values", texts_to_json(values)),
            ("regex_pattern", text_to_json(regex_pattern)),
            ("regex_cue", text_to_json(regex_cue)),
        ],
        unrecognized,
    )
}

fn text_to_json(text: Option<String>) -> Option<Json> {
    text.map(|text| Json::String(text.into()))
}

fn texts_to_json(texts: Vec<String>) -> Option<Json> {
    list_to_json(
        texts
            .into_iter()
            .map(|text| Json::String(text.into()))
            .collect(),
    )
}

fn list_to_json(list: Vec<Json>) -> Option<Json> {
    (!list.is_empty()).then_some(Json::Array(list.into()))
}

/// The values that were accepted and those that were not.
fn merge<const N: usize>(taken: [(&str, Option<Json>); N], unrecognized: Option<Value>) -> Json {
    let taken = taken
        .into_iter()
        .filter_map(|(key, json)| Some((key.to_owned(), json?)));
    let mut entries: BTreeMap<_, _> = taken.collect();
    match unrecognized.map(value_to_json) {
        None => {}
        Some(Json::Object(rest)) => {
            let length = entries.len() + rest.len();
            entries.extend(
                rest.into_entries()
                    .into_iter()
                    .map(|(key, it)| (key.into(), it)),
            );
            assert_eq!(entries.len(), length, "a key is there twice");
        }
        // It was no object.
        Some(other) if entries.is_empty() => return other,
        Some(other) => panic!("{other:?} beside {entries:?}"),
    }
    Json::Object(entries.into_iter().collect())
}

fn value_to_json(value: Value) -> Json {
    match value.kind.unwrap() {
        Kind::NullValue(_) => Json::Null,
        Kind::BoolValue(value) => Json::Bool(value),
        Kind::NumberValue(number) => Json::Number(number),
        Kind::StringValue(text) => Json::String(text.into()),
        Kind::ListValue(list) => Json::Array(list.values.into_iter().map(value_to_json).collect()),
        Kind::StructValue(object) => {
            let entries = object.fields.into_iter();
            Json::Object(entries.map(|(key, it)| (key, value_to_json(it))).collect())
        }
    }
}
