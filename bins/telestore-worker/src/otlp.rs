//! Spans to an OpenTelemetry collector.

use std::env;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use async_trait::async_trait;
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tracing::{Instrument, Level, Metadata, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use crate::log::FOREIGN_PARENT;

/// How long the last spans may take to leave when the worker ends.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// How long the collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(10);

/// What sends spans.
pub(crate) struct Spans(SdkTracerProvider);

impl Spans {
    pub(crate) fn finish(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_SPANS) {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
    }
}

type BoxedLayer<S> = Box<dyn Layer<S> + Send + Sync>;

/// Sends spans to the collector that the environment names, by the variables that OpenTelemetry defines; none if it
/// names none.
///
/// # Errors
/// Words for the operator.
pub(crate) fn layer<S>(runtime: &Handle) -> Result<Option<(BoxedLayer<S>, Spans)>, String>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let off = env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true"));
    if off || !(set("OTEL_EXPORTER_OTLP_ENDPOINT") || set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) {
        return Ok(None);
    }
    // Fails if the process has chosen a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().timeout(PATIENCE).build();
    let client = client.map_err(|error| format!("OpenTelemetry: {error}"))?;
    let client = OnRuntime { client, runtime: runtime.clone() };
    let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
    let exporter = exporter.map_err(|error| format!("OTEL_EXPORTER_OTLP_ENDPOINT: {error}"))?;
    let resource = Resource::builder();
    let resource =
        if set("OTEL_SERVICE_NAME") { resource } else { resource.with_service_name("telestore-worker") };
    let provider =
        SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let tracer = provider.tracer("telestore-worker");
    let layer = tracing_opentelemetry::layer().with_tracer(tracer).with_location(false).with_threads(false);
    Ok(Some((layer.with_filter(filter_fn(is_exported)).boxed(), Spans(provider))))
}

/// What the log shows by default, whatever it is set to: a collector is for requests and sends.
fn is_exported(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("telestore") && *metadata.level() <= Level::INFO
}

/// The exporter has a thread of its own, which no runtime's connections work on.
#[derive(Debug)]
struct OnRuntime {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait]
impl HttpClient for OnRuntime {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        self.runtime.spawn(async move { client.send_bytes(request).await }).await?
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(|key| key.as_str()).collect()
    }
}

/// Makes a request's span the child of the one that its `traceparent` names.
pub(crate) async fn take_parent<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    if !request.headers().contains_key("traceparent") {
        return next.call(request).await;
    }
    let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
    if !parent.span().span_context().is_valid() {
        return next.call(request).await;
    }
    // Only a span that has not begun takes a parent, and the request's own begins within.
    let span = tracing::info_span!(target: FOREIGN_PARENT, "from another service");
    let _ = span.set_parent(parent);
    next.call(request).instrument(span).await
}
