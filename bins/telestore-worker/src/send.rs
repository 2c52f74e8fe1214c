use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::multipart::{Form, Part};
use reqwest::{Certificate, Client, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::cli::SendArgs;

/// Files up to this size go in one request, as the browser client sends them.
const SMALL: u64 = 8 * 1024 * 1024;

/// Sends a file as the browser client does.
pub(crate) async fn send(args: SendArgs) -> Result<(), String> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = client(args.ca.as_deref())?;
    let mut file =
        File::open(&args.file).await.map_err(|error| format!("{}: {error}", args.file.display()))?;
    let length = file.metadata().await.map_err(|error| error.to_string())?.len();
    let sender = Sender { client, args: &args, name: name_of(&args.file)?, length };
    let (result, digest) =
        if length <= SMALL { sender.direct(&mut file).await? } else { sender.chunked(&mut file).await? };
    say(&format!("completed: messageId {}, fileId {}", result["messageId"], result["fileId"]));
    say(&format!("sha256 {digest}  {}", args.file.display()));
    Ok(())
}

fn client(ca: Option<&Path>) -> Result<Client, String> {
    let mut builder = Client::builder();
    if let Some(path) = ca {
        let failed = |error: &dyn std::fmt::Display| format!("--ca {}: {error}", path.display());
        let pem = std::fs::read(path).map_err(|error| failed(&error))?;
        let trusted = Certificate::from_pem_bundle(&pem).map_err(|error| failed(&error))?;
        if trusted.is_empty() {
            return Err(failed(&"holds no certificate in PEM"));
        }
        builder = builder.tls_certs_only(trusted);
    }
    builder.build().map_err(|error| error.to_string())
}

struct Sender<'a> {
    client: Client,
    args: &'a SendArgs,
    name: String,
    length: u64,
}

impl Sender<'_> {
    async fn direct(&self, file: &mut File) -> Result<(Value, String), String> {
        let bytes = read(file, usize::try_from(self.length).unwrap_or(usize::MAX)).await?;
        let digest = hex::encode(Sha256::digest(&bytes));
        let form = Form::new()
            .part("file", Part::bytes(bytes).file_name(self.name.clone()))
            .text("fileName", self.name.clone());
        say(&format!("sending {} in one request", self.name));
        Ok((ask(self.post("/upload").multipart(form)).await?, digest))
    }

    async fn chunked(&self, file: &mut File) -> Result<(Value, String), String> {
        let size = self.args.chunk_bytes.as_u64().max(1);
        let total = self.length.div_ceil(size);
        let id = new_id();
        let mut digest = Sha256::new();
        for index in 0..total {
            let bytes =
                read(file, usize::try_from(size.min(self.length - index * size)).unwrap_or(usize::MAX))
                    .await?;
            digest.update(&bytes);
            self.chunk(&id, index, total, bytes).await?;
            say(&format!("chunk {} of {total}", index + 1));
        }
        ask(self.post("/complete-upload").json(&json!({ "uploadId": id }))).await?;
        Ok((self.wait(&id).await?, hex::encode(digest.finalize())))
    }

    async fn chunk(&self, id: &str, index: u64, total: u64, bytes: Vec<u8>) -> Result<(), String> {
        let form = Form::new()
            .part("chunk", Part::bytes(bytes).file_name("blob"))
            .text("uploadId", id.to_owned())
            .text("chunkIndex", index.to_string())
            .text("totalChunks", total.to_string())
            .text("fileName", self.name.clone())
            .text("fileSize", self.length.to_string());
        ask(self.post("/upload-chunk").multipart(form)).await.map(|_| ())
    }

    /// Polls as often as the document recommends.
    async fn wait(&self, id: &str) -> Result<Value, String> {
        let mut shown = None;
        loop {
            let progress = ask(self.get(&format!("/upload-progress/{id}"))).await?;
            if shown.as_ref() != Some(&progress["progress"]) {
                say(&format!("{} {}%", progress["status"].as_str().unwrap_or("?"), progress["progress"]));
                shown = Some(progress["progress"].clone());
            }
            match progress["status"].as_str() {
                Some("completed") => return Ok(progress),
                Some("failed") => {
                    return Err(progress["error"].as_str().unwrap_or("upload failed").to_owned());
                }
                _ => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.args.to.trim_end_matches('/'))
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path)).bearer_auth(self.args.token.expose())
    }

    /// The token goes with every call: the worker may ask for it before it reads a byte of a file.
    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.url(path)).bearer_auth(self.args.token.expose())
    }
}

/// The JSON of a 2xx; else the server's own words.
async fn ask(request: RequestBuilder) -> Result<Value, String> {
    let answer = request.send().await.map_err(|error| format!("cannot reach the worker: {}", why(error)))?;
    let status = answer.status();
    let body: Value =
        answer.json().await.map_err(|_| format!("the worker answered {status} without JSON"))?;
    if status.is_success() {
        return Ok(body);
    }
    Err(format!("the worker answered {status}: {}", body["error"].as_str().unwrap_or("no reason given")))
}

/// The error with its causes: the first one alone does not tell a refused connection from a bad certificate.
fn why(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

async fn read(file: &mut File, length: usize) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes).await.map_err(|error| format!("cannot read the file: {error}"))?;
    Ok(bytes)
}

fn name_of(path: &Path) -> Result<String, String> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| format!("{} is not a file name", path.display()))
}

/// An id such as the browser client makes: the time and some letters.
fn new_id() -> String {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{millis}_{:08x}", rand::random::<u32>())
}

fn say(line: &str) {
    // Nobody is left to tell where standard output is closed.
    let _ = writeln!(io::stdout(), "{line}");
}
