//! The OpenAPI document and the server are the same thing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::Stage;

/// The document as it is served, and what its references stand for.
struct Document(Value);

impl Document {
    async fn of(stage: &Stage) -> Self {
        Self(stage.get("/openapi.json").await.ok())
    }

    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(to) => {
                self.0.pointer(to.trim_start_matches('#')).unwrap_or_else(|| panic!("{to} leads nowhere"))
            }
            None => value,
        }
    }

    /// A schema that is made of several, as one.
    fn whole(&self, schema: &Value) -> Value {
        let Some(parts) = schema["allOf"].as_array() else { return schema.clone() };
        let (mut properties, mut required) = (serde_json::Map::new(), Vec::new());
        for part in parts.iter().map(|part| self.whole(self.resolve(part))) {
            properties.extend(part["properties"].as_object().cloned().unwrap_or_default());
            required.extend(part["required"].as_array().cloned().unwrap_or_default());
        }
        serde_json::json!({"type": "object", "properties": properties, "required": required})
    }

    /// `POST /upload` and the like, with the operation.
    fn operations(&self) -> impl Iterator<Item = (String, &Value)> {
        self.0["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (format!("{} {path}", method.to_uppercase()), operation))
        })
    }

    /// Why `value` does not fit `schema`: enough of JSON Schema for what our types make.
    fn misfit(&self, schema: &Value, value: &Value) -> Option<String> {
        let schema = &self.whole(self.resolve(schema));
        for of in ["oneOf", "anyOf"] {
            if let Some(choices) = schema[of].as_array() {
                let fits = choices.iter().any(|schema| self.misfit(schema, value).is_none());
                return (!fits).then(|| format!("{value} is none of {choices:?}"));
            }
        }
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        let name = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !types.is_empty() && !types.contains(&name) {
            return Some(format!("{value} is no {types:?}"));
        }
        if schema["enum"].as_array().is_some_and(|choices| !choices.contains(value)) {
            return Some(format!("{value} is none of {}", schema["enum"]));
        }
        match value {
            Value::Object(fields) => self.misfit_of_fields(schema, fields),
            Value::Array(items) => items.iter().find_map(|item| self.misfit(&schema["items"], item)),
            _ => None,
        }
    }

    fn misfit_of_fields(&self, schema: &Value, fields: &serde_json::Map<String, Value>) -> Option<String> {
        // A free object has no properties; all others name each one.
        let properties = schema["properties"].as_object()?;
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let mut missing = required.filter(|name| !fields.contains_key(*name));
        if let Some(name) = missing.next() {
            return Some(format!("{name} is missing"));
        }
        fields.iter().find_map(|(name, value)| match properties.get(name) {
            Some(schema) => self.misfit(schema, value),
            None => Some(format!("{name} is not in the schema")),
        })
    }

    /// The examples of a content, each with the complaint about it.
    fn examples<'a>(&'a self, content: &'a Value) -> Vec<&'a Value> {
        let several = content["examples"].as_object().into_iter().flat_map(|all| all.values());
        content.get("example").into_iter().chain(several.map(|example| &example["value"])).collect()
    }

    #[track_caller]
    fn assert_examples(&self, of: &str, content: &Value) {
        let examples = self.examples(content);
        assert!(!examples.is_empty(), "{of} has no example");
        for example in examples {
            assert_eq!(self.misfit(&content["schema"], example), None, "{of}: {example}");
        }
    }
}

#[tokio::test]
async fn it_has_exactly_the_routes() {
    let stage = Stage::new().await;
    let document = Document::of(&stage).await;
    assert!(document.0["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document.0["openapi"]);
    let described: BTreeSet<String> = document.operations().map(|(name, _)| name).collect();
    let routes: BTreeSet<String> =
        telestore_http::endpoints().iter().map(|e| format!("{} {}", e.method, e.path)).collect();
    assert_eq!(described, routes);
    assert_eq!(document.0["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn every_operation_says_what_it_does_and_shows_every_answer() {
    let stage = Stage::new().await;
    let document = Document::of(&stage).await;
    let mut ids = BTreeSet::new();
    for (name, operation) in document.operations() {
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{name}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{name}: {parameter}");
        }
        let sent = operation["requestBody"]["content"].as_object().into_iter().flatten();
        for (kind, content) in sent.filter(|(kind, _)| *kind == "application/json") {
            document.assert_examples(&format!("{name} {kind}"), content);
        }
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let (answer, of) = (document.resolve(answer), format!("{name} {status}"));
            assert!(answer["description"].as_str().is_some_and(|text| !text.is_empty()), "{of}");
            assert!(answer["headers"]["X-Request-Id"].is_object(), "{of}");
            if let Some(json) = answer["content"].get("application/json") {
                document.assert_examples(&of, json);
            }
        }
    }
}

#[tokio::test]
async fn every_shared_answer_is_used() {
    let stage = Stage::new().await;
    let document = Document::of(&stage).await;
    let answers =
        document.operations().flat_map(|(_, operation)| operation["responses"].as_object().unwrap().values());
    let used: BTreeSet<&str> =
        answers.filter_map(|answer| answer["$ref"].as_str()?.rsplit('/').next()).collect();
    let shared = document.0["components"]["responses"].as_object().unwrap().keys();
    assert_eq!(used, shared.map(String::as_str).collect());
}

#[tokio::test]
async fn the_page_and_its_parts_are_there() {
    let stage = Stage::new().await;
    let page = stage.client.get(stage.url("/docs")).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
    let html = page.text().await.unwrap();
    assert!(!html.contains("//"), "nothing from elsewhere: {html}");
    let parts: Vec<&str> = html.split(['"']).filter(|text| text.starts_with("docs/")).collect();
    assert_eq!(parts.len(), 4, "{html}");
    for part in parts {
        let answer = stage.client.get(stage.url(&format!("/{part}"))).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{part}");
        assert!(answer.headers()["cache-control"].to_str().unwrap().contains("max-age"), "{part}");
        assert!(!answer.bytes().await.unwrap().is_empty(), "{part}");
    }
    assert!(stage.get("/docs/index.html").await.error(404).contains("/docs/index.html"));
}
