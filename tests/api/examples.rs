//! The examples of the OpenAPI document, as a reader tries them: each works as it stands, in the order of the document.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Map, Value};

use crate::support::{Answer, Stage, soon};

/// What the page says to send.
const FILE: &[u8] = b"hello, channel";

struct Reader {
    stage: Stage,
    /// In the order of the bytes, since a parsed object may lose it.
    text: String,
    document: Value,
    /// The last upload by tus: the worker names it, so that no example can.
    begun: Mutex<Option<String>>,
    /// The newest file of the last list, and its name: so with files.
    listed: Mutex<Option<(String, String)>>,
}

impl Reader {
    async fn new() -> Self {
        let stage = Stage::new().await;
        let answer = stage.client.get(stage.url("/openapi.json")).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let document = serde_json::from_str(&text).unwrap();
        Self { stage, text, document, begun: Mutex::default(), listed: Mutex::default() }
    }

    /// Method, path and operation, as the page lists them: by tag, then as they stand in the document.
    fn operations(&self) -> Vec<(String, String, Value)> {
        let mut found = Vec::new();
        for (path, item) in self.document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                found.push((method.clone(), path.clone(), operation.clone()));
            }
        }
        let tags = self.document["tags"].as_array().unwrap();
        let tag =
            |operation: &Value| tags.iter().position(|tag| tag["name"] == operation["tags"][0]).unwrap();
        let place = |path: &str| self.text.find(&format!("\"{path}\":{{")).unwrap();
        // What is deleted is of no more use to the others.
        found.sort_by_key(|(method, path, operation)| (tag(operation), place(path), method == "delete"));
        found
    }

    /// One call with nothing but what the document shows, and the token that a reader gives once.
    async fn tries(&self, method: &str, path: &str, operation: &Value) -> Answer {
        let mut url = self.stage.url(path);
        let parameters = || operation["parameters"].as_array().into_iter().flatten();
        for parameter in parameters().filter(|parameter| parameter["in"] == "path") {
            let name = parameter["name"].as_str().unwrap();
            let named = match path.split('/').nth(1) {
                Some("tus") => self.begun.lock().unwrap().clone(),
                Some("files") => self.listed.lock().unwrap().clone().map(|(id, _)| id),
                _ => None,
            };
            let value = named.unwrap_or_else(|| parameter["example"].as_str().unwrap().to_owned());
            url = url.replace(&format!("{{{name}}}"), &value);
        }
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let mut request = self.stage.client.request(method, url);
        for parameter in parameters().filter(|parameter| parameter["in"] == "header") {
            if let (Some(name), example @ (Value::String(_) | Value::Number(_))) =
                (parameter["name"].as_str(), &parameter["example"])
            {
                request = request.header(name, example.to_string().trim_matches('"'));
            }
        }
        let content = operation["requestBody"]["content"].as_object();
        for (kind, shown) in content.into_iter().flatten() {
            request = match kind.as_str() {
                "application/json" => request.json(&shown["example"]),
                "multipart/form-data" => request.multipart(self.form(&shown["schema"])),
                // The bytes of the file that the page says to make.
                _ => request.header("Content-Type", kind).body(FILE),
            };
        }
        let answer = request.bearer_auth(&self.stage.user.auth_token).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        if let Some(location) = headers.get("location").and_then(|location| location.to_str().ok()) {
            *self.begun.lock().unwrap() = location.rsplit('/').next().map(str::to_owned);
        }
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default();
        let newest = &body["files"][0];
        if let (Some(id), Some(name)) = (newest["id"].as_str(), newest["fileName"].as_str()) {
            *self.listed.lock().unwrap() = Some((id.to_owned(), name.to_owned()));
        }
        Answer { status, body }
    }

    /// Each field has its example, and what is no text takes the file; a reader chooses none that may be left out.
    fn form(&self, schema: &Value) -> Form {
        let schema = schema["$ref"]
            .as_str()
            .map_or(schema, |to| self.document.pointer(to.trim_start_matches('#')).expect("a schema"));
        let properties: &Map<String, Value> = schema["properties"].as_object().unwrap();
        let required = schema["required"].as_array().expect("some fields are needed");
        properties.iter().fold(Form::new(), |form, (name, property)| {
            if property["format"] == "binary" && !required.contains(&Value::from(name.as_str())) {
                return form;
            }
            if property["format"] == "binary" {
                return form.part(name.clone(), Part::bytes(FILE).file_name("hello.txt"));
            }
            let example = property.get("example").or(property["examples"].get(0));
            match example.unwrap_or_else(|| panic!("{name} has no example")) {
                Value::String(text) => form.text(name.clone(), text.clone()),
                other => form.text(name.clone(), other.to_string()),
            }
        })
    }
}

impl Reader {
    /// Waits until so many messages of the page's file are in the channel.
    async fn are_left(&self, count: usize) {
        let left = vec![("hello.txt".to_owned(), FILE.len() as u64); count];
        let sent = || {
            let messages = self.stage.sandbox.messages_of(&self.stage.user).into_iter();
            // What came by tus has no name, and was deleted before or after it was sent.
            let named = messages.filter(|message| !message.file_name.starts_with("upload-"));
            named.map(|message| (message.file_name, message.size)).collect::<Vec<_>>()
        };
        soon("the deleted files' messages go", async {
            while sent() != left {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

/// What an operation answers when all is well.
fn success(operation: &Value) -> u16 {
    let statuses = operation["responses"].as_object().unwrap().keys();
    statuses.filter_map(|status| status.parse().ok()).find(|status| (200..300).contains(status)).unwrap()
}

#[tokio::test]
async fn each_example_works_as_it_stands_in_the_order_of_the_page() {
    let reader = Reader::new().await;
    let mut operations = reader.operations();
    // The page has it beside what else is done with the path; who reads files does so before.
    operations.sort_by_key(|(method, path, _)| method == "delete" && path == "/files/{id}");
    let paths: Vec<&str> = operations.iter().map(|(_, path, _)| path.as_str()).collect();
    let flow = [
        "/init-upload",
        "/upload-chunk",
        "/upload-status/{uploadId}",
        "/complete-upload",
        "/upload-progress/{uploadId}",
        "/upload-events/{uploadId}",
        "/ws/upload-progress/{uploadId}",
        "/cancel-upload",
        "/upload",
    ];
    assert_eq!(paths[..flow.len()], flow);

    // A reader comes back another day.
    let mut deleted = 0;
    for _ in 0..2 {
        for (method, path, operation) in &operations {
            let answer = reader.tries(method, path, operation).await;
            let expected = match path.as_str() {
                path if path.starts_with("/ws/") => 400,
                // Off, unless the operator switches it on, or there is no backend that has a page.
                "/uploads/from-url" => 404,
                path if path.starts_with("/app") => 404,
                // Its bytes came with the call before.
                "/tus/{uploadId}" if method == "patch" => 409,
                _ => success(operation),
            };
            assert_eq!(answer.status, expected, "{method} {path}: {}", answer.body);
            let shown = &operation["responses"]["200"]["content"]["application/json"]["example"];
            if ["/init-upload", "/upload-chunk", "/upload-status/{uploadId}", "/complete-upload"]
                .contains(&path.as_str())
            {
                assert_eq!(&answer.body, shown, "{path} answers what the page shows");
            }
            if method == "delete" && path == "/files/{id}" {
                let file = reader.listed.lock().unwrap().take();
                deleted += usize::from(file.is_some_and(|(_, name)| name == "hello.txt"));
            }
            if path == "/upload-progress/{uploadId}" {
                let id = answer.body["uploadId"].as_str().unwrap();
                assert_eq!(reader.stage.end(id).await["status"], "completed");
            }
        }
    }
    // In chunks once, and by each of two requests twice; of these, files were deleted.
    reader.are_left(5 - deleted).await;
}
