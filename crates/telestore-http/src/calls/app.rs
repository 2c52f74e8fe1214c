//! A page for people, and what it is made of: the files in `assets/app`, as they are.

use std::sync::LazyLock;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::shared::options::HttpOptions;
use crate::shared::{answer, encodings, endpoints, slashes};

/// The page. Each `{files}` in it stands for where its files are, relative to the page.
const PAGE: &str = include_str!("../../assets/app/index.html");

/// The page runs its own scripts only, asks and shows its own origin only, and nothing on it is written into markup.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
                      media-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// What is said of the page if the operator does not want it.
const OFF: &str = "this worker shows no page here: its operator has it turned off (TELESTORE_APP)";

/// The same name always means the same bytes.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

macro_rules! files {
    ($($name:literal)+) => {
        [$(($name, include_bytes!(concat!("../../assets/app/", $name)))),+]
    };
}

/// What the page is made of.
const FILES: &[(&str, &[u8])] = &files![
    "access.js" "browser.js" "chooser.js" "dialogs.js" "files.js" "format.js" "http.js" "item.js" "library.js" "main.js"
    "player.js" "playing.js" "problems.js" "queue.js" "records.js" "shelf.js" "stored.js" "style.css" "tabs.js" "texts.js"
    "tus.js" "upload.js" "view.js" "watch.js" "words.js" "worker.js"
];

/// A digest of all files. They import each other by name, so that one version of all of them has a name together.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut digest = Sha256::new();
    for (name, bytes) in FILES {
        digest.update(name);
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    }
    hex::encode(&digest.finalize()[..8])
});

/// A page for people
///
/// Files and folders are dropped or chosen, and go by tus; what is in the channel is listed, played, downloaded and deleted.
/// It needs nothing from elsewhere. Whether it is there is the operator's to say.
#[utoipa::path(
    get,
    path = endpoints::APP.path,
    tag = "service",
    responses(
        (status = 200, description = "The page", body = str, content_type = "text/html; charset=utf-8"),
        (status = 404, description = "The operator has it turned off", body = crate::shared::error::ErrorBody,
         example = json!({ "error": OFF }))
    )
)]
pub(crate) async fn app(request: HttpRequest, options: Data<HttpOptions>) -> HttpResponse {
    if !options.app {
        return answer::error(StatusCode::NOT_FOUND, OFF);
    }
    let files = format!("{}app/{}", slashes::base_of(&request), *VERSION);
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .body(PAGE.replace("{files}", &files))
}

/// What the page for people is made of
#[utoipa::path(
    get,
    path = endpoints::APP_FILE.path,
    tag = "service",
    operation_id = "app_file",
    params(
        ("version" = String, Path, description = "The version that the page names", example = "0"),
        ("file" = String, Path, description = "Its name", example = "style.css")
    ),
    responses(
        (status = 200, description = "The file", content((str = "text/css"), (str = "text/javascript"))),
        (status = 404, description = "There is no such file, or no page", body = crate::shared::error::ErrorBody,
         example = json!({ "error": "no such endpoint: /app/0/other; GET / lists them" }))
    )
)]
pub(crate) async fn file(
    request: HttpRequest,
    options: Data<HttpOptions>,
    at: Path<(String, String)>,
) -> HttpResponse {
    let (version, name) = at.into_inner();
    let found = FILES.iter().find(|(known, _)| *known == name).filter(|_| options.app);
    let Some((name, bytes)) = found else {
        return answer::no_such_endpoint(&request);
    };
    let kind = if name.ends_with(".css") { "text/css" } else { "text/javascript" };
    let mut answer = encodings::kept(&request, &format!("app/{name}"), kind, Bytes::from_static(bytes)).await;
    // While workers are upgraded, one may be asked for what another one's page names: it gives what it has, to be kept by
    // nobody.
    if version == *VERSION {
        answer.headers_mut().insert(CACHE_CONTROL, FOR_EVER);
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The files that are there, but for the page itself.
    fn on_disk() -> BTreeSet<String> {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/app");
        let names = std::fs::read_dir(dir).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "index.html").collect()
    }

    fn text(bytes: &[u8]) -> &str {
        std::str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn every_file_is_served_and_every_import_leads_to_one() {
        let names: BTreeSet<String> = FILES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(names, on_disk());
        let mut imports = 0;
        for (name, bytes) in FILES {
            for import in text(bytes).split("from \"./").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert!(names.contains(import), "{name} imports {import}");
                imports += 1;
            }
        }
        assert!(imports > 20, "{imports}");
        for named in PAGE.split("{files}/").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(names.contains(named), "{named}");
        }
    }

    #[test]
    fn nothing_needs_more_than_the_policy_allows() {
        for (name, source) in FILES.iter().map(|(name, bytes)| (*name, text(bytes))).chain([("page", PAGE)]) {
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
                "style=\"",
            ] {
                assert!(!source.contains(forbidden), "{name} has {forbidden}");
            }
        }
        let handlers = ["onclick", "onload", "onchange", "onsubmit"];
        assert!(!handlers.iter().any(|handler| PAGE.contains(&format!(" {handler}="))));
    }

    #[test]
    fn it_stays_small() {
        let bytes = PAGE.len() + FILES.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        assert!(bytes < 128 * 1024, "{bytes} bytes, before they are compressed");
    }
}
